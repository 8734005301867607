"""One model's twins as a file of their own."""

from zootwins.run.job import job
from zootwins.storage.shards import cut_model, read_shard

with job(snakemake):
    shards = [read_shard(path) for path in snakemake.input.shards]
    cut_model(snakemake.output[0], shards, snakemake.wildcards.model)
