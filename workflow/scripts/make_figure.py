"""A figure as PDF, SVG and PNG."""

from zootwins.catalogue.experiments import figures
from zootwins.reporting.figures import save
from zootwins.run.job import job, provenance
from zootwins.sparsifiers.registry import name_twins

with job(snakemake):
    name_twins(snakemake.config.get("twins"))
    figure = figures()[snakemake.wildcards.figure]
    drawn = figure.draw(*figure.read(snakemake.params.zoos, snakemake.input.results, snakemake.input.paper))
    save(drawn, snakemake.output, provenance(snakemake))
