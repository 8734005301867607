"""Long tables of one zoo and method, from its shards."""

from zootwins.analyses.metrics import collect_metrics
from zootwins.analyses.status import announcement, details
from zootwins.architectures.architecture import stored_architecture
from zootwins.run.job import announce, job, log, provenance
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.storage.frames import write_parquet
from zootwins.storage.shards import read_shard, warn_of_mixture
from zootwins.zoos.originals import read_predictions

with job(snakemake):
    index, predictions = (tensor.numpy() for tensor in read_predictions(snakemake.input.predictions))
    shards = [read_shard(path) for path in snakemake.input.shards]
    warn_of_mixture(shards)
    twinned = index < snakemake.params.models
    sparsifier = get_sparsifier(snakemake.wildcards.method)
    metrics = collect_metrics(
        shards,
        predictions[twinned],
        index[twinned],
        stored_architecture(
            shards[0].path, snakemake.params.architecture, shards[0].metadata.get("network"), shards[0].shapes
        ),
        sparsifier.curve(sparsifier.Settings(**snakemake.params.settings)),
    )
    metadata = provenance(snakemake, shards=[shard.path.stem for shard in shards])
    write_parquet(metrics.scores, snakemake.output.scores, metadata)
    write_parquet(metrics.layers, snakemake.output.layers, metadata)
    write_parquet(metrics.agreement, snakemake.output.agreement, metadata)
    log.info("%d shards, %d rows", len(shards), len(metrics.scores))
    if line := announcement(metrics.scores):
        announce(snakemake, line, details(metrics.scores))
