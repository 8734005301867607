"""Our tables beside the paper's, as a table and a figure."""

from pathlib import Path

import pandas as pd

from zootwins.reporting.figures import save
from zootwins.reporting.figures.paper_comparison import paper_comparison
from zootwins.reporting.gallery import TABLES
from zootwins.reporting.typeset import write_texts
from zootwins.run.job import job, log, provenance
from zootwins.storage.frames import read_csv, write_csv

with job(snakemake):
    table = TABLES["paper_comparison"]
    ours = {Path(path).stem: read_csv(path) for path in snakemake.input.tables}
    paper = {Path(path).stem: pd.read_csv(path) for path in snakemake.input.paper}
    zoos = snakemake.params.zoos
    counterparts = {zoo["id"]: zoo["compare_with"] for zoo in zoos if zoo["compare_with"]}
    models = pd.read_csv(snakemake.input.models, index_col="zoo")["models"]
    rows = table.make(ours, paper, counterparts, models)
    if rows.empty:
        log.warning("no zoo of this run is in the paper, and none has compare_with in the catalogue")
    origin = provenance(snakemake)
    write_csv(rows, snakemake.output.csv)
    grid = table.arrange(rows, {zoo["id"]: zoo["title"] for zoo in zoos})
    write_texts(grid, table.title, table.note, snakemake.output, origin)
    figures = (snakemake.output.pdf, snakemake.output.png, snakemake.output.svg)
    save(paper_comparison(rows), figures, origin)
