"""Magnitude pruning of a shard of models."""

from zootwins.images.datasets import load_dataset
from zootwins.population.engines import get_engine
from zootwins.population.randomness import STREAMS
from zootwins.population.trajectory import Resume, kept_states
from zootwins.run.job import job, progress, provenance, resume_file
from zootwins.sparsifiers.magnitude_pruning import fine_tune
from zootwins.sparsifiers.settings import MagnitudePruning
from zootwins.storage.ranges import shard_slice
from zootwins.storage.shards import write_trajectory
from zootwins.zoos.originals import load_originals

with job(snakemake):
    settings = MagnitudePruning(**snakemake.params.settings)
    engine = get_engine(**snakemake.params.engine, threads=snakemake.threads)
    originals = load_originals(
        snakemake.input.originals,
        snakemake.input.models,
        snakemake.params.architecture,
        *shard_slice(snakemake.wildcards.shard),
    )
    resume = Resume(*resume_file(snakemake))
    trajectory = fine_tune(
        engine,
        originals,
        load_dataset(snakemake.input.dataset),
        settings,
        snakemake.wildcards.zoo,
        kept_states(snakemake.params.keep_states, settings.epochs),
        resume,
        progress(snakemake, len(originals)),
    )
    write_trajectory(
        snakemake.output[0],
        "mp",
        trajectory,
        originals.models,
        originals.index,
        ratios=settings.ratios,
        metadata=provenance(snakemake, engine=engine.name, random_streams=STREAMS),
    )
    resume.discard()
