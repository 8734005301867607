"""The networks of an arm of soups in the raw ModelZoo layout: phases are its checkpoints."""

from zootwins.architectures.architecture import stored_architecture
from zootwins.experiments.soups import Soups
from zootwins.experiments.soups.recipes import Recipe
from zootwins.images.datasets import as_trained_on, load_stored
from zootwins.run.job import job, provenance
from zootwins.storage.shards import read_shard
from zootwins.zoos.exporting import shard_models
from zootwins.zoos.originals import model_factors, read_models
from zootwins.zoos.raw_zoo import write_raw_zoo

with job(snakemake):
    name = "-".join([snakemake.wildcards.zoo, *(snakemake.wildcards[part] for part in ("variant", "members", "arm"))])
    data = load_stored(snakemake.input.dataset)
    shards = [read_shard(path) for path in snakemake.input.shards]
    network = shards[0].metadata.get("network")
    architecture = stored_architecture(shards[0].path, snakemake.params.architecture, network, shards[0].shapes)
    factors = model_factors(read_models(snakemake.input.models))
    recipe = Recipe.of(
        Soups(**snakemake.params.settings), snakemake.wildcards.variant, int(snakemake.wildcards.members)
    )
    write_raw_zoo(
        snakemake.output[0],
        name,
        provenance(snakemake),
        shard_models(
            shards, factors, architecture, trained_with=lambda own, place: recipe.factors(own, place.get("member"))
        ),
        architecture,
        as_trained_on(data),
    )
