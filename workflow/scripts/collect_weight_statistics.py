"""Statistics of the weights of a zoo's dense models."""

from zootwins.analyses.predictability import weight_statistics
from zootwins.run.job import job, provenance
from zootwins.storage.frames import write_parquet
from zootwins.zoos.originals import read_parameters

with job(snakemake):
    index, parameters = read_parameters(snakemake.input[0])
    statistics = weight_statistics({name: tensor.numpy() for name, tensor in sorted(parameters.items())})
    statistics.insert(0, "index", index.numpy())
    write_parquet(statistics, snakemake.output[0], provenance(snakemake))
