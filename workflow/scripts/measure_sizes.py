"""Bytes and latency of a zoo's twins, at full size and without the channels that are gone."""

from pathlib import Path

from zootwins.analyses.sizes import sizes
from zootwins.architectures.architecture import stored_architecture
from zootwins.catalogue.zoos import Zoo
from zootwins.images.datasets import load_dataset
from zootwins.run.job import job, provenance
from zootwins.sparsifiers.registry import name_twins
from zootwins.sparsifiers.small_twins import read_small
from zootwins.storage.frames import read_models, write_parquet
from zootwins.storage.shards import read_shard

with job(snakemake):
    name_twins(snakemake.config.get("twins"))
    zoo = Zoo.of(snakemake.params.zoo)
    shards = {method: read_shard(snakemake.input[method]) for method in zoo.methods}
    small = {}
    for path in snakemake.input.small:
        small.setdefault(Path(path).parent.name, []).append(read_small(path))
    first = next(iter(shards.values()))
    models = read_models(snakemake.input.models).set_index("index")
    table = sizes(
        zoo,
        shards,
        small,
        stored_architecture(first.path, snakemake.params.architecture, first.metadata.get("network"), first.shapes),
        models.loc[first.index[0], "activation"] if len(first.index) else "",
        load_dataset(snakemake.input.dataset).test.images,
    )
    write_parquet(table, snakemake.output[0], provenance(snakemake))
