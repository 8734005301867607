"""How good, fair and calibrated the soups of a shard are, on test images and on shifted ones, and what lies between."""

from zootwins.experiments.soups.evaluation import ArmShards, pair_scores, scores, shifted_scores, with_shifted
from zootwins.images.corruptions import shifted_sets
from zootwins.images.datasets import load_dataset
from zootwins.population.engines import get_engine
from zootwins.run.job import job, provenance
from zootwins.storage.frames import write_parquet
from zootwins.storage.shards import read_shard, shard_slice
from zootwins.zoos.originals import load_originals

with job(snakemake):
    engine = get_engine(**snakemake.params.engine, threads=snakemake.threads)
    shards = {shard.method: shard for shard in map(read_shard, snakemake.input.shards)}
    paths = snakemake.input.originals, snakemake.input.models
    originals = load_originals(*paths, snakemake.params.architecture, *shard_slice(snakemake.wildcards.shard))
    held = next(iter(shards.values())).index
    arm_shards = ArmShards(shards, originals.at([originals.index.index(index) for index in held]))
    data = load_dataset(snakemake.input.dataset)
    table = scores(engine, arm_shards, data.test)
    pairs = pair_scores(engine, arm_shards, data)
    shifted = shifted_scores(
        engine, arm_shards, (one for path in snakemake.input.shifted for one in shifted_sets(path)), table
    )
    identity = {"variant": snakemake.wildcards.variant, "members": int(snakemake.wildcards.members)}
    origin = provenance(snakemake, engine=engine.name)
    tables = {"scores": with_shifted(table, shifted), "pairs": pairs, "shifted": shifted}
    for name, frame in tables.items():
        write_parquet(frame.assign(**identity), snakemake.output[name], origin)
