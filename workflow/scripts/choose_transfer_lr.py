"""The learning rate of a zoo's transfer to a task: the best for some of its originals on validation images."""

import torch

from zootwins.catalogue.transfer import Full, Linear
from zootwins.experiments.transfer.rates import choose_lrs, messages, pilots
from zootwins.images.datasets import load_dataset
from zootwins.population.engines import get_engine
from zootwins.run.job import announce, job, log, progress, resume_file
from zootwins.storage.frames import write_csv
from zootwins.storage.resume import Resume
from zootwins.zoos.originals import load_originals

with job(snakemake):
    params, wildcards = snakemake.params, snakemake.wildcards
    torch.set_num_threads(snakemake.threads)
    originals = load_originals(snakemake.input.originals, snakemake.input.models, params.architecture, 0, params.models)
    originals = pilots(originals, wildcards.zoo, params.pilots)
    resume = Resume(*resume_file(snakemake))
    table = choose_lrs(
        get_engine(**params.engine, threads=snakemake.threads),
        originals,
        load_dataset(snakemake.input.task),
        (wildcards.zoo, wildcards.task),
        (Linear if wildcards.mode == "linear" else Full)(**params.settings),
        resume,
        progress(snakemake, len(originals)),
    )
    log.info("%s", table.to_string())
    for message in messages(table, f"transfer.{wildcards.mode}.lrs"):
        announce(snakemake, message)
    write_csv(table, snakemake.output.csv, digits=None)
    resume.discard()
