"""A table, for machines (CSV) and for people (Markdown, LaTeX, HTML)."""

from zootwins.analyses.results import with_left_out
from zootwins.catalogue.experiments import tables
from zootwins.reporting.typeset import write_texts
from zootwins.run.job import job, provenance
from zootwins.sparsifiers.registry import name_twins
from zootwins.storage.frames import write_csv

with job(snakemake):
    name_twins(snakemake.config.get("twins"))
    table, zoos = tables()[snakemake.wildcards.table], snakemake.params.zoos
    inputs = table.read(zoos, snakemake.input.results, snakemake.input.paper)
    rows = table.make(*inputs)
    write_csv(rows, snakemake.output.csv)
    grid = table.arrange(rows, {zoo["id"]: zoo["title"] for zoo in zoos})
    write_texts(grid, table.title, with_left_out(table.note, inputs), snakemake.output, provenance(snakemake))
