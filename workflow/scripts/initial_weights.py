"""The weights that a zoo's models began with."""

from zootwins.run.job import job, provenance
from zootwins.zoos.initial import read_checkpoints, rebuilt
from zootwins.zoos.originals import load_originals, write_initial

with job(snakemake):
    paths, params, zoo = snakemake.input, snakemake.params, snakemake.wildcards.zoo
    originals = load_originals(paths.originals, paths.models, params.architecture)
    if paths.raw_zoo:
        weights = read_checkpoints(paths.raw_zoo, zoo, originals, params.dialect, params.factors)
    else:
        weights = rebuilt(originals)
    write_initial(snakemake.output[0], originals, weights, provenance(snakemake))
