"""A shard of published variational twins, as variational_dropout would have written it."""

from zootwins.images.datasets import load_dataset
from zootwins.population.engines import get_engine
from zootwins.population.trajectory import kept_states
from zootwins.run.job import job, provenance
from zootwins.sparsifiers.published import import_twins
from zootwins.sparsifiers.variational_dropout import Settings
from zootwins.storage.shards import shard_slice, write_trajectory
from zootwins.zoos.originals import load_originals

with job(snakemake):
    settings = Settings(**snakemake.params.settings)
    engine = get_engine(**snakemake.params.engine, threads=snakemake.threads)
    originals = load_originals(
        snakemake.input.originals,
        snakemake.input.models,
        snakemake.params.architecture,
        *shard_slice(snakemake.wildcards.shard),
    )
    trajectory = import_twins(
        snakemake.input.raw_zoo,
        originals,
        settings,
        engine,
        load_dataset(snakemake.input.dataset),
        kept_states(snakemake.params.keep_states, settings.epochs),
    )
    write_trajectory(
        snakemake.output[0],
        "vd",
        trajectory,
        originals.models,
        originals.index,
        metadata=provenance(snakemake, engine=engine.name, network=originals.architecture.images),
    )
