"""Rank changes of a zoo's models at the operating point of the correlation table, and without pruning."""

from zootwins.analyses.response import response
from zootwins.catalogue.zoos import Zoo
from zootwins.images.datasets import load_stored
from zootwins.run.job import job, provenance
from zootwins.sparsifiers.registry import get_sparsifier, name_twins
from zootwins.storage.frames import write_parquet
from zootwins.storage.shards import read_shard
from zootwins.zoos.originals import read_predictions

with job(snakemake):
    name_twins(snakemake.config.get("twins"))
    zoo, method = Zoo.of(snakemake.params.zoo), snakemake.wildcards.method
    index, predictions = (tensor.numpy() for tensor in read_predictions(snakemake.input.predictions))
    changes = response(
        [read_shard(path) for path in snakemake.input.shards],
        zoo.operating_points("correlation")[method],
        get_sparsifier(method).dense_control(zoo.methods[method]),
        predictions,
        index,
        load_stored(snakemake.input.dataset).labels["test"].numpy(),
    )
    write_parquet(changes, snakemake.output[0], provenance(snakemake))
