"""A figure as PDF, SVG and PNG."""

from zootwins.figures import save
from zootwins.figures.gallery import FIGURES
from zootwins.job import job, provenance
from zootwins.results import load_results

with job(snakemake):
    zoos = load_results(snakemake.params.zoos, snakemake.input)
    save(FIGURES[snakemake.wildcards.figure](zoos), snakemake.output, provenance(snakemake))
