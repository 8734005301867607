"""How well a dense model predicts its twin's accuracy: cross-validated R² of three predictors."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from zootwins.analyses.predictability import predictability_table
from zootwins.analyses.results import ZooResults
from zootwins.reporting.figures import COLUMN, QUIET, message, styled
from zootwins.reporting.figures.layout import (
    SMALL,
    heading,
    heading_lines,
    legend_above,
    panel_width,
    set_heading,
    wrapped,
)
from zootwins.reporting.figures.looks import name_of

PREDICTORS = {  # label, colour, marker
    "original_accuracy": ("original accuracy", "#0072B2", "o"),
    "weight_statistics": ("weight statistics", "#D55E00", "s"),
    "both": ("both", "#009E73", "^"),
}
LEAST_R2 = -1.0  # what is less is an arrow at the edge


@styled
def predictability(zoos: Sequence[ZooResults]) -> Figure:
    """A panel a zoo, a line a method; points with 95 % bootstrap intervals. 0: no better than the mean; 1: perfect."""
    table = predictability_table(zoos)
    table = table[table["original_accuracy_r2"].notna()]
    if table.empty:
        return message("No zoo has enough models with different twin accuracies for cross-validation.")
    shown = [results for results in zoos if results.zoo.id in set(table["zoo"])]
    lines = [int((table["zoo"] == results.zoo.id).sum()) for results in shown]
    heights = [
        0.2 + 0.12 * heading_lines([results.zoo.title]) + 0.22 * count
        for results, count in zip(shown, lines, strict=True)
    ]
    figure, grid = plt.subplots(
        len(shown), 1, figsize=(COLUMN, 0.4 + sum(heights)), height_ratios=heights, sharex=True, squeeze=False
    )
    for axes, results in zip(grid.flat, shown, strict=True):
        _panel(axes, table[table["zoo"] == results.zoo.id])
        set_heading(axes, heading(results))
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
    names = [wrapped(name_of(method), 0.4 * panel_width(axes), SMALL - 0.5) for method in table["method"]]
    axes.set_yticks(
        lines, names, fontsize=SMALL - 0.5 if any("\n" in name for name in names) else SMALL, linespacing=0.9
    )
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.axvline(0, color=QUIET, linewidth=0.8)
    axes.set_xlim(LEAST_R2 - 0.05, 1.05)
