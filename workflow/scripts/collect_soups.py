"""Long tables of all soups of a zoo, from those of its shards."""

import pandas as pd

from zootwins.analyses.status import announcement, details, split_diverged
from zootwins.experiments.soups.gains import noise_of_soups, non_collapsed
from zootwins.images.datasets import load_stored
from zootwins.run.job import announce, job, provenance
from zootwins.storage.frames import read_parquet, write_parquet
from zootwins.storage.shards import read_shard, warn_of_mixture

with job(snakemake):
    origin = provenance(snakemake)
    names = ("scores", "pairs", "shifted")
    tables = {name: pd.concat(map(read_parquet, snakemake.input[name]), ignore_index=True) for name in names}
    for name, table in tables.items():
        write_parquet(table, snakemake.output[name], origin)
    if line := announcement(tables["scores"]):
        announce(snakemake, line, details(tables["scores"]))
    counted, _ = split_diverged(tables["scores"])
    shards = [read_shard(path) for path in snakemake.input.shards]
    warn_of_mixture(shards)
    labels = load_stored(snakemake.input.dataset).labels["test"].numpy()
    noise = noise_of_soups(shards, snakemake.params.soups, labels, non_collapsed(counted))
    write_parquet(noise, snakemake.output.noise, origin)
