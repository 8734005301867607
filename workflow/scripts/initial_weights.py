"""The weights that a zoo's models began with."""

import torch

from zootwins.run.job import job, provenance
from zootwins.zoos.initial import read_checkpoints, rebuilt
from zootwins.zoos.originals import load_originals, read_models, write_rows

with job(snakemake):
    models = read_models(snakemake.input.models)
    originals = load_originals(
        snakemake.input.originals, snakemake.input.models, snakemake.params.architecture, 0, len(models)
    )
    if snakemake.input.raw_zoo:
        parameters = read_checkpoints(
            snakemake.input.raw_zoo,
            snakemake.wildcards.zoo,
            originals,
            snakemake.params.dialect,
            snakemake.params.factors,
        )
    else:
        parameters = rebuilt(originals)
    index = torch.tensor(originals.index, dtype=torch.int64)
    write_rows(snakemake.output[0], "initial", index, parameters, provenance(snakemake))
