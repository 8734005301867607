"""The image data that a zoo was trained on."""

from pathlib import Path

from zootwins.images.datasets import DIGITS, named_data, save_dataset
from zootwins.run.errors import InputError
from zootwins.run.job import announce, job, log, provenance
from zootwins.run.paths import located
from zootwins.zoos.archives import open_members
from zootwins.zoos.dialects import open_zoo

with job(snakemake):
    data = None
    if snakemake.input.raw_zoo:
        with open_members(snakemake.input.raw_zoo) as members:
            data = open_zoo(members, snakemake.params.dialect).dataset()
    name = snakemake.params.dataset
    if data is not None:
        if name != "archive":
            announce(snakemake, f"the zoo's own dataset.pt is taken, not the catalogue's dataset {name}")
        origin = "dataset.pt"
    elif name == "archive":
        raise InputError(f"{snakemake.input.raw_zoo}: has no dataset.pt; name a data set in the catalogue")
    else:
        # no parameter of the rule: the same data from another place is no reason to train again
        data_dir = located(snakemake.config["data_dir"], Path(snakemake.scriptdir).parents[1])
        data, origin = named_data(name, data_dir), f"{'scikit-learn' if name == DIGITS else 'torchvision'}: {name}"
    sizes = {split: list(images.shape) for split, images in data.images.items()}
    log.info("%s: %s, %s", origin, sizes, data.images["test"].dtype)
    save_dataset(snakemake.output[0], data, provenance(snakemake, origin=origin))
