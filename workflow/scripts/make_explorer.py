"""The interactive page."""

import json

from zootwins.analyses.results import load_results
from zootwins.reporting.explorer import explorer_page
from zootwins.run.job import job, provenance
from zootwins.sparsifiers.registry import name_twins
from zootwins.storage.files import replacing

with job(snakemake):
    name_twins(snakemake.config.get("twins"))
    page = explorer_page(load_results(snakemake.params.zoos, snakemake.input))
    with replacing(snakemake.output[0]) as temporary:
        temporary.write_text(f"{page}<!-- {json.dumps(provenance(snakemake))} -->\n", encoding="utf-8")
