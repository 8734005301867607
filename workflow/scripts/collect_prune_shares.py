"""The share of a zoo's models in which each weight is pruned by variational dropout."""

from zootwins.analyses.prune_shares import prune_shares
from zootwins.run.job import job, provenance
from zootwins.storage.frames import write_parquet
from zootwins.storage.shards import read_shard

with job(snakemake):
    shares = prune_shares([read_shard(path) for path in snakemake.input], snakemake.params.threshold)
    write_parquet(shares, snakemake.output[0], provenance(snakemake))
