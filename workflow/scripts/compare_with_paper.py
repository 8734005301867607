"""Our tables beside the paper's, as a table and a figure."""

from pathlib import Path

import pandas as pd

from zootwins.analyses.paper_comparison import compare
from zootwins.reporting.figures import save
from zootwins.reporting.figures.paper_comparison import paper_comparison
from zootwins.reporting.typeset import write_texts
from zootwins.run.job import job, log, provenance
from zootwins.storage.frames import read_csv, write_csv

with job(snakemake):
    ours = {Path(path).stem: read_csv(path) for path in snakemake.input.tables}
    paper = {Path(path).stem: pd.read_csv(path) for path in snakemake.input.paper}
    zoos = snakemake.params.zoos
    table = compare(ours, paper, {zoo["id"]: zoo["compare_with"] for zoo in zoos if zoo["compare_with"]})
    if table.empty:
        log.warning("no zoo of this run is in the paper, and none has compare_with in the catalogue")
    origin = provenance(snakemake)
    write_csv(table, snakemake.output.csv)
    write_texts("paper_comparison", table, {zoo["id"]: zoo["title"] for zoo in zoos}, snakemake.output, origin)
    figures = (snakemake.output.pdf, snakemake.output.png, snakemake.output.svg)
    save(paper_comparison(table), figures, origin)
