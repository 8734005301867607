"""Long tables of a zoo's soups while pruning trains: accuracy of all arms, and what lies between the copies."""

from itertools import groupby

import pandas as pd

from zootwins.analyses.status import announcement, details
from zootwins.experiments.soups.evaluation import ArmShards, pair_scores, scores
from zootwins.images.datasets import load_dataset
from zootwins.population.engines import get_engine
from zootwins.run.job import announce, job, provenance
from zootwins.storage.frames import write_parquet
from zootwins.storage.shards import read_shard, shard_slice, warn_of_mixture
from zootwins.zoos.originals import load_originals


def population_of(shard):
    """The method and the models of a shard."""
    return shard.path.parent.name.removesuffix(f"-{shard.method}"), shard.path.stem


with job(snakemake):
    engine, data = (
        get_engine(**snakemake.params.engine, threads=snakemake.threads),
        load_dataset(snakemake.input.dataset),
    )
    shards = sorted(map(read_shard, snakemake.input.shards), key=population_of)
    warn_of_mixture(shards)
    found = {"scores": [], "pairs": []}
    for (method, name), arms in groupby(shards, population_of):
        paths = snakemake.input.originals, snakemake.input.models
        originals = load_originals(*paths, snakemake.params.architecture, *shard_slice(name))
        arm_shards = ArmShards({shard.method: shard for shard in arms}, originals)
        identity = {"method": method, "members": snakemake.params.members}
        found["scores"].append(scores(engine, arm_shards, data.test).assign(**identity))
        found["pairs"].append(pair_scores(engine, arm_shards, data).assign(**identity))
    tables = {kind: pd.concat(parts, ignore_index=True) for kind, parts in found.items()}
    if line := announcement(tables["scores"]):
        announce(snakemake, line, details(tables["scores"]))
    for kind, table in tables.items():
        write_parquet(table, snakemake.output[kind], provenance(snakemake, engine=engine.name))
