"""Sparse model soups of a shard of models, with all that they are compared with."""

from zootwins.experiments.soups import Soups
from zootwins.experiments.soups.phases import Dense, axes_of, make_soups
from zootwins.experiments.soups.recipes import Recipe
from zootwins.images.datasets import load_dataset
from zootwins.population.engines import get_engine
from zootwins.population.randomness import STREAMS
from zootwins.run.job import job, progress, provenance, resume_file
from zootwins.storage.resume import Resume
from zootwins.storage.shards import shard_slice, write_trajectory
from zootwins.zoos.originals import load_originals, read_models

with job(snakemake):
    zoo, variant = snakemake.wildcards.zoo, snakemake.wildcards.variant
    recipe = Recipe.of(Soups(**snakemake.params.settings), variant, int(snakemake.wildcards.members))
    engine = get_engine(**snakemake.params.engine, threads=snakemake.threads)
    paths = snakemake.input.originals, snakemake.input.models
    originals = load_originals(*paths, snakemake.params.architecture, *shard_slice(snakemake.wildcards.shard))
    epochs = read_models(snakemake.input.models).set_index("index")["epoch"]
    resume = Resume(*resume_file(snakemake))
    arms = make_soups(
        engine,
        Dense(zoo, originals, epochs[list(originals.index)].tolist()),
        load_dataset(snakemake.input.dataset),
        recipe,
        resume,
        progress(snakemake, len(originals)),
    )
    network = originals.architecture.images
    origin = provenance(snakemake, engine=engine.name, network=network, random_streams=STREAMS)
    for (arm, trajectory), path in zip(arms.items(), snakemake.output, strict=True):
        axes = axes_of(recipe, trajectory)
        write_trajectory(path, arm, trajectory, originals.models, originals.index, axes=axes, metadata=origin)
    resume.discard()
