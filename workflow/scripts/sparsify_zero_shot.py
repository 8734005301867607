"""Twins of unseen models, predicted from their dense weights, beside trained and pruned ones."""

import torch

from zootwins.experiments.representations.states import announcement
from zootwins.experiments.representations.storage import load_representation
from zootwins.experiments.representations.unseen import load_targets, sparsify_unseen
from zootwins.population.engines import get_device, get_engine
from zootwins.run.job import announce, job, provenance
from zootwins.storage.frames import write_parquet

with job(snakemake):
    params = snakemake.params
    torch.set_num_threads(snakemake.threads)
    targets = load_targets(snakemake.input, params.architecture, params.targets)
    if line := announcement(targets[snakemake.wildcards.zoo].states):
        announce(snakemake, line)
    decisions, twins = sparsify_unseen(
        get_engine(**params.engine, threads=snakemake.threads),
        load_representation(snakemake.input.model, get_device(params.engine["device"])),
        targets,
        int(snakemake.wildcards.seed),
    )
    write_parquet(decisions, snakemake.output.decisions, provenance(snakemake))
    write_parquet(twins, snakemake.output.twins, provenance(snakemake))
