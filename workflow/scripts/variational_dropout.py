"""Variational dropout on a shard of models."""

from zootwins.catalogue import shard_slice
from zootwins.datasets import load_dataset
from zootwins.job import job, progress, provenance, resume_file
from zootwins.originals import load_originals
from zootwins.population.engines import get_engine
from zootwins.population.trajectory import Resume, kept_states
from zootwins.randomness import STREAMS
from zootwins.settings import VariationalDropout
from zootwins.shards import write_trajectory
from zootwins.variational_dropout import train

with job(snakemake):
    settings = VariationalDropout(**snakemake.params.settings)
    engine = get_engine(**snakemake.params.engine, threads=snakemake.threads)
    originals = load_originals(
        snakemake.input.originals,
        snakemake.input.models,
        snakemake.params.architecture,
        *shard_slice(snakemake.wildcards.shard),
    )
    with Resume(*resume_file(snakemake)) as resume:
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
