"""A method with and without soups while it trains, for a shard of models."""

from zootwins.experiments.soups.member_training import Retraining
from zootwins.experiments.soups.while_pruning import goal_axes, soups_while_pruning
from zootwins.images.datasets import load_dataset
from zootwins.population.engines import get_engine
from zootwins.population.randomness import STREAMS
from zootwins.run.job import job, progress, provenance, resume_file
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.storage.resume import Resume
from zootwins.storage.shards import shard_slice, write_trajectory
from zootwins.zoos.initial import load_initial
from zootwins.zoos.originals import load_originals

with job(snakemake):
    params, wildcards = snakemake.params, snakemake.wildcards
    method = get_sparsifier(wildcards.method)
    settings = method.Settings(**params.settings)
    engine, data = get_engine(**params.engine, threads=snakemake.threads), load_dataset(snakemake.input.dataset)
    paths = snakemake.input.originals, snakemake.input.models
    originals = load_originals(*paths, params.architecture, *shard_slice(wildcards.shard))
    epochs = method.earlier_epochs(settings)
    earlier = {epoch: load_initial(snakemake.input[f"epoch_{epoch}"], originals) for epoch in epochs}
    inputs = SparsifierInputs(wildcards.zoo, originals, {}, earlier, data, engine)
    resume, on_epoch = Resume(*resume_file(snakemake)), progress(snakemake, len(originals))
    arms = soups_while_pruning(
        method, settings, inputs, params.members, lambda total: Retraining(engine, data.train, total, resume, on_epoch)
    )
    network = originals.architecture.images
    origin = provenance(snakemake, engine=engine.name, network=network, random_streams=STREAMS)
    for (arm, trajectory), path in zip(arms.items(), snakemake.output, strict=True):
        axes = goal_axes(method, settings, params.members if arm == "member" else 1)
        write_trajectory(path, arm, trajectory, originals.models, originals.index, axes=axes, metadata=origin)
    resume.discard()
