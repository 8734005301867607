"""How much the masks of every two methods overlap, model by model."""

from zootwins.analyses.mask_overlap import mask_overlaps
from zootwins.catalogue.entries import Zoo
from zootwins.population.architectures import get_architecture
from zootwins.run.job import job, log, provenance
from zootwins.storage.frames import write_parquet
from zootwins.storage.shards import read_shard

with job(snakemake):
    zoo = Zoo.of(snakemake.params.zoo)
    shards = {method: [read_shard(path) for path in getattr(snakemake.input, method)] for method in zoo.methods}
    channels = next(iter(shards.values()))[0].shapes["conv1.weight"][-3]
    shares = get_architecture(zoo.architecture, channels).weight_shares.numpy()
    overlaps = mask_overlaps(shards, zoo.methods, shares)
    write_parquet(overlaps, snakemake.output[0], provenance(snakemake))
    log.info("%d rows", len(overlaps))
