"""The long table of a zoo's transfer, to all tasks in both modes."""

import pandas as pd

from zootwins.analyses.status import announcement, details
from zootwins.run.job import announce, job, log, provenance
from zootwins.storage.frames import read_parquet, write_parquet

with job(snakemake):
    rows = pd.concat(map(read_parquet, snakemake.input), ignore_index=True)
    log.info("%d rows of %d models", len(rows), rows["index"].nunique())
    if line := announcement(rows):
        announce(snakemake, line, details(rows))
    write_parquet(rows, snakemake.output[0], provenance(snakemake))
