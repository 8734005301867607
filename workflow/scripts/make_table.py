"""A table, for machines (CSV) and for people (Markdown, LaTeX, HTML)."""

import json
from pathlib import Path

import pandas as pd

from zootwins.files import replacing
from zootwins.frames import write_csv
from zootwins.job import job, provenance
from zootwins.results import load_results
from zootwins.tables import TABLES, paper_order
from zootwins.typeset import TITLES, arrange, to_html, to_latex, to_markdown

with job(snakemake):
    name = snakemake.wildcards.table
    zoos = load_results(snakemake.params.zoos, snakemake.input.results)
    table = TABLES[name](paper_order(zoos, pd.read_csv(snakemake.input.paper)))
    write_csv(table, snakemake.output.csv)

    title, note = TITLES[name]
    grid = arrange(name, table, {results.zoo.id: results.zoo.title for results in zoos})
    origin = json.dumps(provenance(snakemake))
    texts = {
        snakemake.output.md: f"{to_markdown(grid, title, note)}\n<!-- {origin} -->\n",
        snakemake.output.tex: f"% {origin}\n{to_latex(grid, title, note)}",
        snakemake.output.html: f"{to_html(grid, title, note)}<!-- {origin} -->\n",
    }
    for path, text in texts.items():
        with replacing(path) as temporary:
            Path(temporary).write_text(text)
