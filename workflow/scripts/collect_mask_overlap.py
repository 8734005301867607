"""How much the masks of every two methods overlap, model by model."""

from zootwins.analyses.mask_overlap import mask_overlaps
from zootwins.architectures.architecture import stored_architecture
from zootwins.catalogue.zoos import Zoo
from zootwins.run.job import job, log, provenance
from zootwins.sparsifiers.registry import name_twins
from zootwins.storage.frames import write_parquet
from zootwins.storage.shards import read_shard

with job(snakemake):
    name_twins(snakemake.config.get("twins"))
    zoo = Zoo.of(snakemake.params.zoo)
    shards = {method: [read_shard(path) for path in getattr(snakemake.input, method)] for method in zoo.methods}
    first = next(iter(shards.values()))[0]
    network = stored_architecture(first.path, zoo.architecture, first.metadata.get("network"), first.shapes)
    shares = network.weight_shares.numpy()
    overlaps = mask_overlaps(shards, zoo.methods, shares)
    write_parquet(overlaps, snakemake.output[0], provenance(snakemake))
    log.info("%d rows", len(overlaps))
