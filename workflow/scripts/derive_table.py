"""A table made of other tables."""

from zootwins.reporting.gallery import TABLES
from zootwins.reporting.typeset import write_texts
from zootwins.run.job import job, provenance
from zootwins.storage.frames import read_csv, write_csv

with job(snakemake):
    table = TABLES[snakemake.wildcards.table]
    rows = table.make(*(read_csv(path) for path in snakemake.input))
    write_csv(rows, snakemake.output.csv)
    titles = {zoo["id"]: zoo["title"] for zoo in snakemake.params.zoos}
    write_texts(table.arrange(rows, titles), table.title, table.note, snakemake.output, provenance(snakemake))
