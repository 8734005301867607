"""Averages of a shard's models with other models of the zoo."""

from zootwins.experiments.soups import Soups
from zootwins.experiments.soups.phases import Dense, axes_of
from zootwins.experiments.soups.recipes import Recipe
from zootwins.experiments.soups.unrelated_models import first_members, mix_unrelated_models
from zootwins.images.datasets import load_dataset
from zootwins.population.engines import get_engine
from zootwins.population.randomness import STREAMS
from zootwins.run.job import job, progress, provenance, resume_file
from zootwins.storage.resume import Resume
from zootwins.storage.shards import read_shard, shard_slice, write_trajectory
from zootwins.zoos.originals import load_originals, read_models

with job(snakemake):
    zoo, settings = snakemake.wildcards.zoo, Soups(**snakemake.params.settings)
    recipe = Recipe.of(settings, "unrelated_models", int(snakemake.wildcards.members))
    engine = get_engine(**snakemake.params.engine, threads=snakemake.threads)
    paths = snakemake.input.originals, snakemake.input.models
    originals = load_originals(*paths, snakemake.params.architecture, 0, snakemake.params.models)
    epochs = read_models(snakemake.input.models).set_index("index")["epoch"]
    members = first_members([read_shard(path) for path in snakemake.input.members], originals.models)
    first, stop = shard_slice(snakemake.wildcards.shard)
    rows = [row for row, index in enumerate(originals.index) if first <= index < stop]
    resume = Resume(*resume_file(snakemake))
    arms, kept = mix_unrelated_models(
        engine,
        Dense(zoo, originals, epochs[list(originals.index)].tolist()),
        members,
        rows,
        load_dataset(snakemake.input.dataset),
        recipe,
        resume,
        progress(snakemake, len(rows)),
    )
    network = originals.architecture.images
    origin = provenance(snakemake, engine=engine.name, network=network, random_streams=STREAMS)
    names, index = ([values[row] for row in kept] for values in (originals.models, originals.index))
    for (arm, trajectory), path in zip(arms.items(), snakemake.output, strict=True):
        write_trajectory(path, arm, trajectory, names, index, axes=axes_of(recipe, trajectory), metadata=origin)
    resume.discard()
