"""Linear classifiers of a task on the activations of originals and twins."""

import torch

from zootwins.catalogue.transfer import Linear
from zootwins.experiments.transfer.backbones import load_backbones
from zootwins.experiments.transfer.linear import transfer_linear
from zootwins.experiments.transfer.rates import chosen_lrs
from zootwins.images.datasets import load_dataset
from zootwins.population.engines import get_engine
from zootwins.run.job import job, log, provenance
from zootwins.sparsifiers.registry import name_twins
from zootwins.storage.frames import read_csv, write_parquet

with job(snakemake):
    name_twins(snakemake.config.get("twins"))
    params, wildcards = snakemake.params, snakemake.wildcards
    torch.set_num_threads(snakemake.threads)
    rows = transfer_linear(
        get_engine(**params.engine, threads=snakemake.threads),
        load_backbones(snakemake.input, wildcards.shard, params),
        load_dataset(snakemake.input.task),
        (wildcards.zoo, wildcards.task),
        Linear(**params.settings),
        chosen_lrs(read_csv(snakemake.input.lrs)),
    )
    rows = rows.assign(task=wildcards.task, mode=wildcards.mode)
    log.info("%d rows", len(rows))
    write_parquet(rows, snakemake.output[0], provenance(snakemake))
