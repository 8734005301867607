"""A page to explore populations in: original against twin accuracy of every model, self-contained, drawn by Plotly."""

import json
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import pandas as pd
from plotly.offline import get_plotlyjs

from zootwins.analyses.results import ZooResults
from zootwins.sparsifiers.base import Point, Sparsifier
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.zoos.sources import FACTORS

TEMPLATE = Path(__file__).with_name("explorer.html")


def explorer_page(zoos: Sequence[ZooResults]) -> str:
    """Return the page as HTML text, with data and plotting library."""
    data = {results.zoo.id: zoo_data(results) for results in zoos if results.zoo.methods}
    # `</` would end the script element that the data are in
    text = json.dumps(data, separators=(",", ":")).replace("</", "<\\/")
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(plotly=get_plotlyjs(), data=text)


def zoo_data(results: ZooResults) -> dict[str, Any]:
    """Return what the page shows of a zoo; accuracies and sparsities as whole numbers, in hundredths of a percent.

    `methods` hold, by id, a method's title, the name of its sweep parameter, the operating points as `steps` and as
    `texts`, the one shown first, the mean `sparsity` of each and `accuracy` `[steps, models]`.
    """
    originals = results.originals
    start = results.operating_points("correlation")
    return {
        "title": results.zoo.title,
        "models": originals["model"].tolist(),
        "factors": {name: _plain(originals[name]) for name in ("seed", *FACTORS)},
        "original": _hundredths(originals["test_accuracy"]),
        "methods": {
            method: _method(get_sparsifier(method), results.curve(method), originals.index, start.get(method))
            for method in results.zoo.methods
            if not results.curve(method).empty
        },
    }


def _method(sparsifier: Sparsifier, table: pd.DataFrame, models: pd.Index, start: Point | None) -> dict[str, Any]:
    accuracy = table.pivot_table(index="point", columns="index", values="test_accuracy").reindex(columns=models)
    steps = accuracy.index.to_numpy(dtype=float)
    return {
        "title": sparsifier.title,
        "sweep": sparsifier.sweep.label,
        "steps": [int(step) if step.is_integer() else step for step in steps.round(6).tolist()],
        "texts": [sparsifier.sweep.form.format(step) for step in steps],
        "start": len(steps) - 1 if start is None else int(np.argmin(np.abs(steps - start.value))),
        "sparsity": _hundredths(table.groupby("point")["sparsity"].mean()),
        "accuracy": [_hundredths(row) for row in accuracy.to_numpy()],
    }


def _plain(values: pd.Series) -> list[Any]:
    return [f"{value:g}" if isinstance(value, float) else value for value in values.tolist()]


def _hundredths(fractions: Sequence[float]) -> list[int | None]:
    """Return whole numbers, in hundredths of a percent; None where a twin has diverged."""
    return [None if np.isnan(value) else round(value) for value in 1e4 * np.asarray(fractions, dtype=float)]
