"""A zoo's archive in place, its checksum verified, with a record of where it came from."""

import json
import os
from pathlib import Path

from zootwins.run.job import job, provenance
from zootwins.storage.files import replacing
from zootwins.zoos.fetching import ZENODO_API, fetch_zoo
from zootwins.zoos.sources import ArchiveSource

with job(snakemake):
    archive = ArchiveSource(**snakemake.params.archive)
    if archive.path:
        archive = archive.model_copy(update={"path": snakemake.input[0]})
    epoch = snakemake.params.epoch
    source = fetch_zoo(
        archive,
        Path(snakemake.output.archive),
        epoch=None if epoch == "all" else epoch,
        # no parameter: another way to the same models
        download="full" if epoch == "all" else snakemake.config["download"],
        api=os.environ.get("ZENODO_API", ZENODO_API),
    )
    with replacing(snakemake.output.source) as temporary:
        temporary.write_text(json.dumps(source | {"provenance": provenance(snakemake)}, indent=1), encoding="utf-8")
