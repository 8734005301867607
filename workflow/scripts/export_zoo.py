"""A population in the raw ModelZoo layout."""

from dataclasses import replace

from zootwins.architectures.architecture import stored_architecture
from zootwins.images.datasets import as_trained_on, load_stored
from zootwins.run.job import job, provenance
from zootwins.sparsifiers.registry import get_sparsifier, name_twins
from zootwins.storage.shards import read_shard
from zootwins.zoos.exporting import original_models, shard_models
from zootwins.zoos.originals import load_originals, model_factors, read_models
from zootwins.zoos.raw_zoo import write_raw_zoo
from zootwins.zoos.sources import TrainSource
from zootwins.zoos.training import generating_factors

with job(snakemake):
    name_twins(snakemake.config.get("twins"))
    population, zoo = snakemake.wildcards.population, snakemake.wildcards.zoo
    data = load_stored(snakemake.input.dataset)
    shards = [read_shard(path) for path in snakemake.input.shards]
    if shards:
        network = shards[0].metadata.get("network")
        architecture = stored_architecture(shards[0].path, snakemake.params.architecture, network, shards[0].shapes)
    if population == "trained":
        factors = dict(enumerate(generating_factors(TrainSource(**snakemake.params.train))))
        models = shard_models(shards, factors, architecture)
    else:
        table = read_models(snakemake.input.models)
        if population == "originals":
            originals = load_originals(snakemake.input.originals, snakemake.input.models, snakemake.params.architecture)
            models, architecture = original_models(originals, table), originals.architecture
        else:
            sparsifier = get_sparsifier(population)
            settings = sparsifier.Settings(**snakemake.params.settings)
            evaluated = sparsifier.weights(settings).deterministic
            lr = {} if settings.lr is None else {"lr": settings.lr}
            models = shard_models(
                shards, model_factors(table), architecture, evaluated, lambda own, place: replace(own, **lr)
            )
    write_raw_zoo(
        snakemake.output[0],
        f"{zoo}_{population}",
        provenance(snakemake),
        models,
        architecture,
        as_trained_on(data),
    )
