"""The test images of a data set, corrupted, and those of other data sets of the same shape."""

from pathlib import Path

from zootwins.images.corruptions import save_shifted
from zootwins.images.datasets import load_stored
from zootwins.images.reading import Request
from zootwins.run.job import announce, job, provenance
from zootwins.run.paths import located

with job(snakemake):
    # no parameter of the rule: the same data from another place is no reason to evaluate again
    data_dir = located(snakemake.config["data_dir"], Path(snakemake.scriptdir).parents[1])
    data = load_stored(snakemake.input.dataset)
    others, files = [Request.of(one) for one in snakemake.params.shifted_sets], iter(snakemake.input.others)
    if data.images["test"].is_floating_point():
        announce(snakemake, "the zoo's dataset.pt has no pixels, but numbers: there is nothing to corrupt")
    sets = {one.name: one.read(data_dir, [next(files)] if one.from_file else []) for one in others}
    save_shifted(snakemake.output[0], data, sets, provenance(snakemake))
