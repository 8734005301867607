"""Statistics of the weights of a zoo's dense models."""

from zootwins.frames import write_parquet
from zootwins.job import job, provenance
from zootwins.originals import read_parameters
from zootwins.predictability import weight_statistics

with job(snakemake):
    index, parameters = read_parameters(snakemake.input[0])
    statistics = weight_statistics({name: tensor.numpy() for name, tensor in sorted(parameters.items())})
    statistics.insert(0, "index", index.numpy())
    write_parquet(statistics, snakemake.output[0], provenance(snakemake))
