"""The share of a zoo's models in which each weight is pruned by variational dropout."""

from zootwins.analyses.prune_shares import prune_shares
from zootwins.architectures.architecture import stored_architecture
from zootwins.run.job import job, provenance
from zootwins.storage.frames import write_parquet
from zootwins.storage.shards import read_shard

with job(snakemake):
    shards = [read_shard(path) for path in snakemake.input]
    network, shapes = shards[0].metadata.get("network"), shards[0].shapes
    architecture = stored_architecture(shards[0].path, snakemake.params.architecture, network, shapes)
    layers = [layer.name for layer in architecture.layers]
    shares = prune_shares(shards, snakemake.params.threshold, layers)
    write_parquet(shares, snakemake.output[0], provenance(snakemake))
