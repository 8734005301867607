"""Baselines of the benchmark on a published zoo."""

from zootwins.benchmark.leaderboard import score_baselines
from zootwins.publishing.loading import load
from zootwins.run.job import job, provenance
from zootwins.storage.frames import write_parquet

with job(snakemake):
    scores = score_baselines(load(snakemake.input[0]))
    write_parquet(scores, snakemake.output[0], provenance(snakemake))
