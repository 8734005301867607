"""Variational dropout on a shard of models."""

from zootwins.images.datasets import load_dataset
from zootwins.population.engines import get_engine
from zootwins.population.randomness import STREAMS
from zootwins.population.trajectory import Resume, kept_states
from zootwins.run.job import job, progress, provenance, resume_file
from zootwins.sparsifiers.settings import VariationalDropout
from zootwins.sparsifiers.variational_dropout import train
from zootwins.storage.ranges import shard_slice
from zootwins.storage.shards import write_trajectory
from zootwins.zoos.originals import load_originals

with job(snakemake):
    settings = VariationalDropout(**snakemake.params.settings)
    engine = get_engine(**snakemake.params.engine, threads=snakemake.threads)
    originals = load_originals(
        snakemake.input.originals,
        snakemake.input.models,
        snakemake.params.architecture,
        *shard_slice(snakemake.wildcards.shard),
    )
    resume = Resume(*resume_file(snakemake))
    trajectory = train(
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
        "vd",
        trajectory,
        originals.models,
        originals.index,
        metadata=provenance(snakemake, engine=engine.name, random_streams=STREAMS),
    )
    resume.discard()
