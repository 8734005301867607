"""Statistics of the weights of a zoo's dense models."""

from safetensors.numpy import load_file

from zootwins.frames import write_parquet
from zootwins.job import job, provenance
from zootwins.predictability import weight_statistics

with job(snakemake):
    originals = load_file(snakemake.input[0])
    index = originals.pop("index")
    statistics = weight_statistics(dict(sorted(originals.items())))
    statistics.insert(0, "index", index)
    write_parquet(statistics, snakemake.output[0], provenance(snakemake))
