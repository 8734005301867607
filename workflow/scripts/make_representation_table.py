"""A table of hyper-representations, for machines (CSV) and for people (Markdown, LaTeX, HTML)."""

import pandas as pd

from zootwins.reporting.gallery import TABLES
from zootwins.reporting.typeset import write_texts
from zootwins.run.job import job, provenance
from zootwins.storage.frames import read_parquet, write_csv

with job(snakemake):
    table = TABLES[snakemake.wildcards.table]
    results = pd.concat(map(read_parquet, snakemake.input.results), ignore_index=True)
    results["paper_zoo"] = results["zoo"].map(snakemake.params.counterparts)
    rows = table.make(results, *map(pd.read_csv, snakemake.input.paper))
    write_csv(rows, snakemake.output.csv)
    grid = table.arrange(rows, snakemake.params.titles)
    write_texts(grid, table.title, table.note, snakemake.output, provenance(snakemake))
