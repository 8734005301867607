"""Long tables of all soups of a zoo, from those of its shards."""

import pandas as pd

from zootwins.analyses.status import announcement, details, split_diverged
from zootwins.experiments.soups.gains import non_collapsed
from zootwins.experiments.soups.noise import noise_table
from zootwins.images.datasets import load_stored
from zootwins.run.job import announce, job, provenance
from zootwins.storage.frames import read_parquet, write_parquet
from zootwins.storage.shards import read_shard, warn_of_mixture

with job(snakemake):
    origin = provenance(snakemake)
    for name in ("scores", "pairs", "shifted"):
        frame = pd.concat(map(read_parquet, snakemake.input[name]), ignore_index=True)
        write_parquet(frame, snakemake.output[name], origin)
        if name == "scores" and (line := announcement(frame)):
            announce(snakemake, line, details(frame))
    counted, _ = split_diverged(read_parquet(snakemake.output.scores))
    models = non_collapsed(counted)
    labels = load_stored(snakemake.input.dataset).labels["test"].numpy()
    shards = [read_shard(path) for path in snakemake.input.shards]
    warn_of_mixture(shards)
    noise = []
    for variant, members in snakemake.params.soups:
        arms = {}
        for shard in shards:
            if shard.path.parent.name == f"{variant}-{members}-{shard.method}":
                arms.setdefault(shard.method, []).append(shard)
        noise.append(noise_table(arms, labels, models).assign(variant=variant, members=members))
    write_parquet(pd.concat(noise, ignore_index=True), snakemake.output.noise, origin)
