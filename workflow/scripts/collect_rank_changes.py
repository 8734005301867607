"""Rank changes of a zoo's models at the operating point of the correlation table, and without pruning."""

from zootwins.analyses.response import rank_changes, twin_predictions
from zootwins.catalogue.entries import Zoo
from zootwins.images.datasets import load_stored
from zootwins.run.job import job, provenance
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.storage.frames import write_parquet
from zootwins.storage.shards import read_shard
from zootwins.zoos.originals import read_predictions

with job(snakemake):
    zoo, method = Zoo.of(snakemake.params.zoo), snakemake.wildcards.method
    point = zoo.operating_points("correlation")[method]
    control = get_sparsifier(method).dense_control(zoo.methods[method])
    shards = [read_shard(path) for path in snakemake.input.shards]
    numbers, originals = (tensor.numpy() for tensor in read_predictions(snakemake.input.predictions))
    rows = {number: row for row, number in enumerate(numbers.tolist())}
    labels = load_stored(snakemake.input.dataset).labels["test"].numpy()

    def changes_of(twins, index):
        dense = originals[[rows[number] for number in index.tolist()]]
        changes = rank_changes(dense == labels, twins == labels)
        changes.insert(0, "index", index)
        return changes

    changes = changes_of(*twin_predictions(shards, point))
    if control is not None:
        bounds = changes_of(*twin_predictions(shards, control)).set_index("index")[["low", "high"]]
        changes = changes.join(bounds.add_prefix("control_"), on="index")
    write_parquet(changes, snakemake.output[0], provenance(snakemake))
