"""Publication of a zoo with its twins."""

from pathlib import Path

from zootwins.catalogue.zoos import Zoo
from zootwins.publishing.release import write_release
from zootwins.run.job import job, log, provenance
from zootwins.sparsifiers.registry import name_twins
from zootwins.storage.frames import read_parquet
from zootwins.storage.shards import read_shard
from zootwins.zoos.originals import load_originals, read_models

with job(snakemake):
    name_twins(snakemake.config.get("twins"))
    zoo = Zoo.of(snakemake.params.zoo)
    models = read_models(snakemake.input.models)
    originals = load_originals(
        snakemake.input.originals, snakemake.input.models, zoo.architecture, 0, snakemake.params.zoo["models"]
    )
    scores = dict(zip(zoo.methods, map(read_parquet, snakemake.input.scores), strict=True))
    twins = (
        (read_shard(path), scores[method], settings)
        for method, settings in zoo.methods.items()
        for path in snakemake.input[method]
    )
    index = write_release(
        Path(snakemake.output[0]), snakemake.params.about, originals, models, twins, provenance(snakemake)
    )
    log.info("%s: %d networks of %d originals", snakemake.output[0], len(index), len(originals))
