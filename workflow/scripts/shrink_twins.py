"""Twins without the channels that pruning removed."""

from zootwins.architectures.architecture import stored_architecture
from zootwins.run.job import job, provenance
from zootwins.sparsifiers.registry import name_twins
from zootwins.sparsifiers.small_twins import small_twins, write_small
from zootwins.storage.shards import read_shard

with job(snakemake):
    name_twins(snakemake.config.get("twins"))
    shard = read_shard(snakemake.input[0])
    architecture = stored_architecture(
        shard.path, snakemake.params.architecture, shard.metadata.get("network"), shard.shapes
    )
    write_small(snakemake.output[0], shard, small_twins(architecture, [shard]), provenance(snakemake))
