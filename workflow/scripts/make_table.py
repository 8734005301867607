"""A table, for machines (CSV) and for people (Markdown, LaTeX, HTML)."""

import pandas as pd

from zootwins.analyses.paper_tables import paper_order
from zootwins.analyses.results import left_out, load_results
from zootwins.reporting.gallery import TABLES
from zootwins.reporting.typeset import write_texts
from zootwins.run.job import job, provenance
from zootwins.storage.frames import write_csv

with job(snakemake):
    table = TABLES[snakemake.wildcards.table]
    zoos = load_results(snakemake.params.zoos, snakemake.input.results)
    rows = table.make(paper_order(zoos, pd.read_csv(snakemake.input.paper)))
    write_csv(rows, snakemake.output.csv)

    titles = {results.zoo.id: results.zoo.title for results in zoos}
    grid = table.arrange(rows, titles)
    note = " ".join(filter(None, (table.note, left_out(zoos))))
    write_texts(grid, table.title, note, snakemake.output, provenance(snakemake))
