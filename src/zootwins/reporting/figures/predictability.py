"""How well a dense model predicts its twin's accuracy: cross-validated R² of three predictors."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from zootwins.analyses.results import ZooResults
from zootwins.reporting.figures import COLUMN, QUIET, message, styled
from zootwins.reporting.figures.layout import HEADING, heading, in_lines, legend_above, text_width, wrapped
from zootwins.reporting.figures.looks import name_of

PREDICTORS = {  # label, colour, marker
    "original_accuracy": ("original accuracy", "#0072B2", "o"),
    "weight_statistics": ("weight statistics", "#D55E00", "s"),
    "both": ("both", "#009E73", "^"),
}
NAMES = 5.5  # points
LEAST_R2 = -1.0  # what is less is an arrow at the edge


@styled
def predictability(zoos: Sequence[ZooResults], table: pd.DataFrame) -> Figure:
    """One panel per zoo, one line per method; 95 % bootstrap intervals. 0: no better than the mean; 1: perfect."""
    table = table[table["original_accuracy_r2"].notna()]
    if table.empty:
        return message("No zoo has enough models with different twin accuracies for cross-validation.")
    shown = [results for results in zoos if results.zoo.id in set(table["zoo"])]
    names = in_lines(map(name_of, table["method"]), 2, NAMES, 0.9)
    table = table.assign(name=names)
    room = COLUMN - 0.3 - max(text_width(line, NAMES) for name in names for line in name.split("\n"))
    titles = [wrapped(heading(results), room, HEADING, "bold") for results in shown]
    heights = [
        0.2 + 0.12 * title.count("\n") + 0.22 * (table["zoo"] == results.zoo.id).sum()
        for results, title in zip(shown, titles, strict=True)
    ]
    figure, grid = plt.subplots(
        len(shown), 1, figsize=(COLUMN, 0.4 + sum(heights)), height_ratios=heights, sharex=True, squeeze=False
    )
    for axes, results, title in zip(grid.flat, shown, titles, strict=True):
        _panel(axes, table[table["zoo"] == results.zoo.id])
        axes.set_title(title, fontsize=HEADING)
    figure.supxlabel("Cross-validated R² of twin accuracy", fontsize=7)
    keys = [Line2D([], [], color=c, marker=m, linestyle="none", label=label) for label, c, m in PREDICTORS.values()]
    legend_above(figure, keys)
    return figure


def _panel(axes: Axes, table: pd.DataFrame) -> None:
    lines = np.arange(len(table))
    for offset, (name, (_, colour, marker)) in zip((-0.22, 0, 0.22), PREDICTORS.items(), strict=True):
        value, low, high = (table[f"{name}_{suffix}"].to_numpy() for suffix in ("r2", "low", "high"))
        shown, low = np.maximum(value, LEAST_R2), np.maximum(low, LEAST_R2)
        bars = [shown - low, np.maximum(high, LEAST_R2) - shown]
        style = {"color": colour, "markersize": 2.5, "linestyle": "none"}
        axes.errorbar(shown, lines + offset, xerr=bars, marker=marker, elinewidth=0.6, **style)
        outside = value < LEAST_R2
        axes.plot(shown[outside], (lines + offset)[outside], marker="<", **style)
    axes.set_yticks(lines, table["name"], fontsize=NAMES, linespacing=0.9)
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.axvline(0, color=QUIET, linewidth=0.8)
    axes.set_xlim(LEAST_R2 - 0.05, 1.05)
