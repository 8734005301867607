"""One model's twins as a file of their own."""

from zootwins.run.job import job, provenance
from zootwins.storage.shards import cut_model, read_shard

with job(snakemake):
    cut_model(
        snakemake.output[0],
        [read_shard(path) for path in snakemake.input.shards],
        snakemake.wildcards.model,
        provenance(snakemake),
    )
