"""Sparsification of a shard of models, by any method."""

from zootwins.images.datasets import load_dataset
from zootwins.population.engines import get_engine
from zootwins.population.randomness import STREAMS
from zootwins.population.trajectory import kept_states
from zootwins.run.job import job, progress, provenance, resume_file
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.sparsifiers.registry import get_sparsifier, name_twins
from zootwins.sparsifiers.sparsify import sparsify
from zootwins.storage.resume import Resume
from zootwins.storage.shards import read_shard, shard_slice, write_trajectory
from zootwins.zoos.initial import load_initial
from zootwins.zoos.originals import load_originals

with job(snakemake):
    name_twins(snakemake.config.get("twins"))
    zoo, method = snakemake.wildcards.zoo, snakemake.wildcards.method
    sparsifier = get_sparsifier(method)
    settings = sparsifier.Settings(**snakemake.params.settings)
    engine = get_engine(**snakemake.params.engine, threads=snakemake.threads)
    originals = load_originals(
        snakemake.input.originals,
        snakemake.input.models,
        snakemake.params.architecture,
        *shard_slice(snakemake.wildcards.shard),
    )
    twins = {needed: read_shard(snakemake.input[needed]) for needed in sparsifier.needs(settings)}
    epochs = sparsifier.earlier_epochs(settings)
    earlier = {epoch: load_initial(snakemake.input[f"epoch_{epoch}"], originals) for epoch in epochs}
    resume = Resume(*resume_file(snakemake))
    trajectory = sparsify(
        engine,
        sparsifier,
        settings,
        SparsifierInputs(zoo, originals, twins, earlier),
        load_dataset(snakemake.input.dataset),
        kept_states(snakemake.params.keep_states, settings.epochs),
        resume,
        progress(snakemake, len(originals)),
    )
    write_trajectory(
        snakemake.output[0],
        method,
        trajectory,
        originals.models,
        originals.index,
        axes=sparsifier.axes(settings),
        metadata=provenance(
            snakemake, engine=engine.name, network=originals.architecture.images, random_streams=STREAMS
        ),
    )
    resume.discard()
