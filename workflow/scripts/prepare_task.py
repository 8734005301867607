"""The images of a task, in the shape and the normalisation that a zoo's networks read."""

from pathlib import Path

from zootwins.experiments.transfer.tasks import prepare_task
from zootwins.images.datasets import load_stored, save_dataset
from zootwins.images.reading import Request
from zootwins.run.job import job, log, provenance
from zootwins.run.paths import located

with job(snakemake):
    upstream = load_stored(snakemake.input.upstream)
    if snakemake.input.zoo:
        data, origin = load_stored(snakemake.input.zoo[0]), snakemake.input.zoo[0]
    else:
        # no parameter of the rule: see prepare_dataset
        data_dir = located(snakemake.config["data_dir"], Path(snakemake.scriptdir).parents[1])
        wanted = Request.of(snakemake.params.dataset)
        data, origin = wanted.read(data_dir, snakemake.input.data), wanted.name
    task = prepare_task(data, upstream, snakemake.params.variant)
    log.info("%s: %s", origin, {split: list(images.shape) for split, images in task.images.items()})
    save_dataset(snakemake.output[0], task, provenance(snakemake, origin=origin))
