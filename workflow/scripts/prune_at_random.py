"""Twins with as many weights of each layer pruned as by magnitude pruning, at random places."""

from zootwins.catalogue.candidates import MASKS_OF, RANDOM
from zootwins.experiments.transfer.baselines import axis, prune_at_random
from zootwins.images.datasets import load_dataset
from zootwins.population.engines import get_engine
from zootwins.population.randomness import STREAMS
from zootwins.run.job import job, progress, provenance, resume_file
from zootwins.sparsifiers.base import Point, SparsifierInputs
from zootwins.sparsifiers.magnitude_pruning import Settings
from zootwins.storage.resume import Resume
from zootwins.storage.shards import read_shard, shard_slice, write_trajectory
from zootwins.zoos.originals import load_originals

with job(snakemake):
    params, shard = snakemake.params, shard_slice(snakemake.wildcards.shard)
    originals = load_originals(snakemake.input.originals, snakemake.input.models, params.architecture, *shard)
    engine = get_engine(**params.engine, threads=snakemake.threads)
    points = [Point(**point) for point in params.points]
    resume = Resume(*resume_file(snakemake))
    trajectory = prune_at_random(
        engine,
        SparsifierInputs(snakemake.wildcards.zoo, originals, {MASKS_OF: read_shard(snakemake.input.mp)}),
        points,
        Settings(**params.methods[MASKS_OF]),
        load_dataset(snakemake.input.dataset),
        resume,
        progress(snakemake, len(originals)),
    )
    write_trajectory(
        snakemake.output[0],
        RANDOM,
        trajectory,
        originals.models,
        originals.index,
        axes=[axis(points)],
        metadata=provenance(
            snakemake, engine=engine.name, network=originals.architecture.images, random_streams=STREAMS
        ),
    )
    resume.discard()
