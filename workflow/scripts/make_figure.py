"""A figure as PDF, SVG and PNG."""

from zootwins.catalogue.experiments import figures
from zootwins.reporting.figures import save
from zootwins.run.job import job, provenance

with job(snakemake):
    figure = figures()[snakemake.wildcards.figure]
    drawn = figure.draw(*figure.read(snakemake.params.zoos, snakemake.input.results, snakemake.input.paper))
    save(drawn, snakemake.output, provenance(snakemake))
