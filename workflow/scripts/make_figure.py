"""A figure as PDF, SVG and PNG."""

from zootwins.analyses.results import load_results
from zootwins.reporting.figures import save
from zootwins.reporting.gallery.figures import FIGURES
from zootwins.run.job import job, provenance

with job(snakemake):
    zoos = load_results(snakemake.params.zoos, snakemake.input)
    save(FIGURES[snakemake.wildcards.figure].draw(zoos), snakemake.output, provenance(snakemake))
