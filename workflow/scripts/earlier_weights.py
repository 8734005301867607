"""The weights that a zoo's models had after an epoch of their training."""

import torch

from zootwins.run.job import job, provenance
from zootwins.zoos.initial import read_checkpoints
from zootwins.zoos.originals import load_originals, read_models, write_rows

with job(snakemake):
    originals = load_originals(
        snakemake.input.originals,
        snakemake.input.models,
        snakemake.params.architecture,
        0,
        len(read_models(snakemake.input.models)),
    )
    parameters = read_checkpoints(
        snakemake.input.raw_zoo,
        snakemake.wildcards.zoo,
        originals,
        snakemake.params.dialect,
        snakemake.params.factors,
        int(snakemake.wildcards.epoch),
    )
    index = torch.tensor(originals.index, dtype=torch.int64)
    write_rows(snakemake.output[0], "initial", index, parameters, provenance(snakemake))
