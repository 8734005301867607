"""The checkpoints of another epoch of a zoo's training, fetched if its archive was fetched in part."""

import json
import os
from pathlib import Path

from zootwins.run.job import job
from zootwins.zoos.fetching import ZENODO_API, fetch_epoch
from zootwins.zoos.sources import ArchiveSource

with job(snakemake):
    source = json.loads(Path(snakemake.input.source).read_text(encoding="utf-8"))
    fetch_epoch(
        ArchiveSource(**snakemake.params.archive),
        Path(snakemake.input.archive),
        Path(snakemake.output[0]),
        int(snakemake.wildcards.epoch),
        whole=source["download"] == "full",
        api=os.environ.get("ZENODO_API", ZENODO_API),
    )
