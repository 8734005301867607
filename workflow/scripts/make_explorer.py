"""The interactive page."""

import json

from zootwins.explorer import explorer_page
from zootwins.files import replacing
from zootwins.job import job, provenance
from zootwins.results import load_results

with job(snakemake):
    page = explorer_page(load_results(snakemake.params.zoos, snakemake.input))
    with replacing(snakemake.output[0]) as temporary:
        temporary.write_text(f"{page}<!-- {json.dumps(provenance(snakemake))} -->\n")
