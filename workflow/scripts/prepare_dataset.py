"""The image data that a zoo was trained on."""

from pathlib import Path

from zootwins.images.datasets import save_dataset
from zootwins.images.reading import Request, with_classes
from zootwins.run.errors import InputError
from zootwins.run.job import announce, job, log, provenance
from zootwins.run.paths import located
from zootwins.zoos.archives import open_members
from zootwins.zoos.dialects import open_zoo

with job(snakemake):
    data, wanted = None, Request.of(snakemake.params.dataset)
    if snakemake.input.raw_zoo:
        with open_members(snakemake.input.raw_zoo) as members:
            data = open_zoo(members, snakemake.params.dialect).dataset()
    if data is not None:
        if wanted:
            announce(snakemake, f"the zoo's own dataset.pt is taken, not the catalogue's dataset {wanted.name}")
        data, origin = with_classes(data, wanted, f"{snakemake.input.raw_zoo}: dataset.pt"), "dataset.pt"
    elif not wanted:
        raise InputError(f"{snakemake.input.raw_zoo}: has no dataset.pt; name a data set in the catalogue")
    else:
        # no parameter of the rule: the same data from another place is no reason to train again
        data_dir = located(snakemake.config["data_dir"], Path(snakemake.scriptdir).parents[1])
        data, origin = wanted.read(data_dir, snakemake.input.data), wanted.entry.origin
    sizes = {split: list(images.shape) for split, images in data.images.items()}
    log.info("%s: %s, %s, %d classes", origin, sizes, data.images["test"].dtype, data.classes)
    save_dataset(snakemake.output[0], data, provenance(snakemake, origin=origin))
