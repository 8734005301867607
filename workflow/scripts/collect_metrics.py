"""Long tables of one zoo and method, from its shards."""

from zootwins.analyses.metrics import collect_metrics, taken
from zootwins.analyses.status import announcement, details
from zootwins.architectures.architecture import stored_architecture
from zootwins.run.job import announce, job, log, provenance
from zootwins.sparsifiers.registry import get_sparsifier, name_twins
from zootwins.storage.frames import write_parquet
from zootwins.storage.shards import read_shard, warn_of_mixture
from zootwins.zoos.originals import read_predictions

with job(snakemake):
    name_twins(snakemake.config.get("twins"))
    index, predictions = (tensor.numpy() for tensor in read_predictions(snakemake.input.predictions))
    shards = [read_shard(path) for path in snakemake.input.shards]
    warn_of_mixture(shards)
    first, architecture = shards[0], snakemake.params.architecture
    sparsifier = get_sparsifier(snakemake.wildcards.method)
    metrics = collect_metrics(
        shards,
        *taken(predictions, index, snakemake.params.models),
        stored_architecture(first.path, architecture, first.metadata.get("network"), first.shapes),
        sparsifier.curve(sparsifier.Settings(**snakemake.params.settings)),
    )
    metadata = provenance(snakemake, shards=[shard.path.stem for shard in shards])
    write_parquet(metrics.scores, snakemake.output.scores, metadata)
    write_parquet(metrics.layers, snakemake.output.layers, metadata)
    write_parquet(metrics.agreement, snakemake.output.agreement, metadata)
    log.info("%d shards, %d rows", len(shards), len(metrics.scores))
    if line := announcement(metrics.scores):
        announce(snakemake, line, details(metrics.scores))
