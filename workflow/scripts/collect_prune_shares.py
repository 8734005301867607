"""The share of a zoo's models in which each weight is pruned by variational dropout."""

from zootwins.frames import write_parquet
from zootwins.job import job, provenance
from zootwins.prune_shares import prune_shares
from zootwins.shards import read_shard

with job(snakemake):
    shares = prune_shares([read_shard(path) for path in snakemake.input], snakemake.params.threshold)
    write_parquet(shares, snakemake.output[0], provenance(snakemake))
