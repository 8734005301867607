"""Magnitude pruning of a shard of models."""

from zootwins.catalogue import shard_slice
from zootwins.datasets import load_dataset
from zootwins.job import job, progress, provenance, resume_file
from zootwins.magnitude_pruning import fine_tune
from zootwins.originals import load_originals
from zootwins.population.engines import get_engine
from zootwins.population.trajectory import Resume, kept_states
from zootwins.randomness import STREAMS
from zootwins.settings import MagnitudePruning
from zootwins.shards import write_trajectory

with job(snakemake):
    settings = MagnitudePruning(**snakemake.params.settings)
    engine = get_engine(**snakemake.params.engine, threads=snakemake.threads)
    originals = load_originals(
        snakemake.input.originals,
        snakemake.input.models,
        snakemake.params.architecture,
        *shard_slice(snakemake.wildcards.shard),
    )
    with Resume(*resume_file(snakemake)) as resume:
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
