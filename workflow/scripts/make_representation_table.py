"""A table of hyper-representations, for machines (CSV) and for people (Markdown, LaTeX, HTML)."""

import pandas as pd

from zootwins.frames import write_csv
from zootwins.job import job, provenance
from zootwins.representations.tables import TABLES
from zootwins.typeset import write_texts

with job(snakemake):
    name = snakemake.wildcards.table
    table = TABLES[name](pd.concat(map(pd.read_parquet, snakemake.input), ignore_index=True))
    write_csv(table, snakemake.output.csv)
    write_texts(name, table, snakemake.params.titles, snakemake.output, provenance(snakemake))
