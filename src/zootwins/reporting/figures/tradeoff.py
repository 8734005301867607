"""Figure 5: test accuracy against sparsity, the methods beside one another."""

from collections.abc import Sequence
from textwrap import fill

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from zootwins.analyses.results import ZooResults
from zootwins.reporting.figures import COLOURS, COLUMN, NAMES, styled


@styled
def tradeoff(zoos: Sequence[ZooResults]) -> Figure:
    """One panel a zoo: the mean of each operating point, error bars of one standard deviation, and every model.

    The operating points of MP are the requested sparsities, after fine-tuning; those of VD the epochs.
    """
    columns = min(2, len(zoos))
    rows = -(-len(zoos) // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(COLUMN, 0.5 + 1.4 * rows), sharex=True, sharey=True, squeeze=False
    )
    for axes in grid.flat[len(zoos) :]:
        axes.set_axis_off()
    for axes, results in zip(grid.flat, zoos, strict=False):
        _panel(axes, results)
    figure.supxlabel("Sparsity, %", fontsize=7)
    figure.supylabel("Test accuracy, %", fontsize=7)
    methods = dict.fromkeys(method for results in zoos for method in results.zoo.methods)
    handles = [Line2D([], [], color=COLOURS[m], marker="o", label=f"{NAMES[m]}: mean ± std") for m in methods]
    handles.append(Line2D([], [], color="#777777", marker=".", alpha=0.5, linestyle="none", label="a model"))
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


def _panel(axes: Axes, results: ZooResults) -> None:
    for method in results.zoo.methods:
        table = results.curve(method)
        if table.empty:
            continue
        points = table.groupby("point")[["sparsity", "test_accuracy"]]
        mean, std = 100 * points.mean(), 100 * points.std()
        axes.plot(
            100 * table["sparsity"],
            100 * table["test_accuracy"],
            ".",
            color=COLOURS[method],
            alpha=float(np.clip(60 / len(table), 0.02, 0.25)),
            markersize=2,
            markeredgewidth=0,
            rasterized=True,
        )
        axes.errorbar(
            mean["sparsity"],
            mean["test_accuracy"],
            xerr=std["sparsity"],
            yerr=std["test_accuracy"],
            color=COLOURS[method],
            ecolor=(COLOURS[method], 0.4),
            marker="o",
            markersize=2.5,
            elinewidth=0.5,
        )
    axes.set_xlim(-2, 102)
    axes.set_ylim(0, 100)
    axes.set_title(f"{fill(results.zoo.title, 22)}\nn = {len(results.originals)}", fontsize=6.5)
