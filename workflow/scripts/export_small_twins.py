"""Twins without the channels that pruning removed, at one point of a method, as a zoo of its own."""

import json
from dataclasses import replace

from zootwins.architectures.architecture import stored_architecture
from zootwins.images.datasets import as_trained_on, load_stored
from zootwins.run.job import job, provenance
from zootwins.sparsifiers.registry import get_sparsifier, name_twins
from zootwins.sparsifiers.small_twins import small_models, small_twins
from zootwins.storage.shards import read_shard
from zootwins.zoos.exporting import shard_models
from zootwins.zoos.originals import model_factors, read_models
from zootwins.zoos.raw_zoo import write_raw_zoo

with job(snakemake):
    name_twins(snakemake.config.get("twins"))
    zoo, method, value = (snakemake.wildcards[name] for name in ("zoo", "method", "point"))
    sparsifier = get_sparsifier(method)
    settings = sparsifier.Settings(**snakemake.params.settings)
    shards = [read_shard(path) for path in snakemake.input.shards]
    first = shards[0]
    whole = stored_architecture(first.path, snakemake.params.architecture, first.metadata.get("network"), first.shapes)
    at = first.twin(sparsifier.point(settings, float(value)).at)
    small = small_twins(whole, shards)[at]
    lr = {} if settings.lr is None else {"lr": settings.lr}
    models = shard_models(
        shards,
        model_factors(read_models(snakemake.input.models)),
        whole,
        trained_with=lambda own, _: replace(own, **lr),
    )
    write_raw_zoo(
        snakemake.output[0],
        f"{zoo}_{method}_small_{value}",
        provenance(snakemake, network=json.loads(small.architecture.spec)),
        small_models(models, small, [name for shard in shards for name in shard.models]),
        small.architecture,
        as_trained_on(load_stored(snakemake.input.dataset)),
    )
