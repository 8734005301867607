"""Test accuracy of pruned models less that of the same masks retrained."""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from zootwins.analyses.results import ZooResults
from zootwins.analyses.scratch import BUDGETS, scratch_table
from zootwins.reporting.figures import COLOURS, COLUMN, NAMES, message, styled

LINES = dict(zip(BUDGETS, (":", "--", "-"), strict=True))


@styled
def scratch_comparison(zoos: Sequence[ZooResults]) -> Figure:
    """A panel a zoo: mean difference, pruned less retrained, against sparsity; bars are 95 % intervals."""
    table = scratch_table(zoos)
    table = table[(table["init"] == "plain") & (table["models"] > 0)]
    shown = [results for results in zoos if results.zoo.id in set(table["zoo"])]
    if not shown:
        return message("None of the zoos has masks retrained.")
    figure, grid = plt.subplots(len(shown), 1, figsize=(COLUMN, 0.8 + 1.6 * len(shown)), sharex=True, squeeze=False)
    for axes, results in zip(grid.flat, shown, strict=True):
        _panel(axes, table[table["zoo"] == results.zoo.id])
        axes.set_title(f"{results.zoo.title}, n = {len(results.originals)}", fontsize=6.5)
    figure.supxlabel("Requested sparsity, %", fontsize=7)
    figure.supylabel("Pruned − retrained, points", fontsize=7)
    methods = table["method"].unique()
    handles = [Line2D([], [], color=COLOURS[method], marker="o", label=NAMES[method]) for method in methods]
    epochs = {"E": "original's epochs", "matched": "+ pruning's", "B": "twice"}
    handles += [Line2D([], [], color="#555555", linestyle=LINES[name], label=epochs[name]) for name in BUDGETS]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


def _panel(axes: Axes, table) -> None:
    arms = list(table.groupby(["method", "budget"], sort=False))
    axes.axhline(0, color="#555555", linewidth=0.8)
    for ((method, budget), part), offset in zip(arms, np.linspace(-1.2, 1.2, len(arms)), strict=True):
        bars = np.abs(part[["low", "high"]].T - part["mean"]).to_numpy(dtype=float)
        axes.errorbar(
            part["sparsity"] + offset,
            part["mean"],
            yerr=bars,
            color=COLOURS[method],
            linestyle=LINES[budget],
            marker="o",
            markersize=2,
            linewidth=0.9,
            elinewidth=0.5,
        )
