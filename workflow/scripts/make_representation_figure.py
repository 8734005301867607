"""A figure of hyper-representations as PDF, SVG and PNG."""

import pandas as pd

from zootwins.reporting.figures import save
from zootwins.reporting.figures.representations import FIGURES
from zootwins.run.job import job, provenance
from zootwins.storage.frames import read_parquet

with job(snakemake):
    table = pd.concat(map(read_parquet, snakemake.input), ignore_index=True)
    figure = FIGURES[snakemake.wildcards.figure](table, snakemake.params.titles)
    save(figure, snakemake.output, provenance(snakemake))
