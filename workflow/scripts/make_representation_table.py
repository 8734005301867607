"""A table of hyper-representations, for machines (CSV) and for people (Markdown, LaTeX, HTML)."""

import pandas as pd

from zootwins.experiments.representations.tables import TABLES
from zootwins.reporting.typeset import write_texts
from zootwins.run.job import job, provenance
from zootwins.storage.frames import read_parquet, write_csv

with job(snakemake):
    name = snakemake.wildcards.table
    results = pd.concat(map(read_parquet, snakemake.input.results), ignore_index=True)
    results["paper_zoo"] = results["zoo"].map(snakemake.params.counterparts)
    table = TABLES[name](results, *map(pd.read_csv, snakemake.input.paper))
    write_csv(table, snakemake.output.csv)
    write_texts(name, table, snakemake.params.titles, snakemake.output, provenance(snakemake))
