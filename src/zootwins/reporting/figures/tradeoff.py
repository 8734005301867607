"""Figure 5: test accuracy against sparsity, the methods beside one another."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from zootwins.analyses.results import ZooResults
from zootwins.reporting.figures import message, styled
from zootwins.reporting.figures.layout import BEHIND, annotate, blocks_of, legend_above, method_handles, method_panels
from zootwins.reporting.figures.looks import look_of


@styled
def tradeoff(zoos: Sequence[ZooResults]) -> Figure:
    """The median of each operating point, bars between quartiles, and every model; of many methods a panel each.

    The operating points of MP are the requested sparsities, after fine-tuning; those of VD the epochs.
    """
    blocks = blocks_of(zoos, lambda results: results.zoo.methods)
    if not blocks:
        return message("None of the zoos has a method.")
    figure, panels = method_panels(blocks, 1.2, columns=2)
    curves = {(results.zoo.id, method): results.curve(method) for results in zoos for method in results.zoo.methods}
    medians = {key: table.groupby("point")[["sparsity", "test_accuracy"]].median() for key, table in curves.items()}
    for panel in panels:
        axes = panel.axes[0]
        axes.set_xlim(-2, 102)
        axes.set_ylim(0, 100)
        for method in panel.behind:
            median = 100 * medians[panel.zoo, method]
            axes.plot(median["sparsity"], median["test_accuracy"], color=BEHIND, linewidth=0.6)
        for method in panel.front:
            _method(axes, method, curves[panel.zoo, method])
        if all(curves[panel.zoo, method].empty for method in panel.front):
            annotate(axes, "no operating point")
    figure.supxlabel("Sparsity, %", fontsize=7)
    figure.supylabel("Test accuracy, %", fontsize=7)
    own = any(panel.is_own for panel in panels)
    handles = [] if own else method_handles(dict.fromkeys(method for panel in panels for method in panel.front))
    handles += [Line2D([], [], color="#777777", marker="o", label="median, quartiles")] if own else []
    handles += [Line2D([], [], color="#777777", marker=".", alpha=0.5, linestyle="none", label="a model")]
    handles += [Line2D([], [], color=BEHIND, label="the other methods")] if own else []
    legend_above(figure, handles)
    return figure


def _method(axes: Axes, method: str, table: pd.DataFrame) -> None:
    """Draw the models and the quartiles of the operating points of a method's curve."""
    if table.empty:
        return
    look, points = look_of(method), table.groupby("point")[["sparsity", "test_accuracy"]]
    low, median, high = (100 * points.quantile(share) for share in (0.25, 0.5, 0.75))
    axes.plot(
        100 * table["sparsity"], 100 * table["test_accuracy"], ".", color=look.colour, markersize=2,
        alpha=float(np.clip(60 / len(table), 0.02, 0.25)), markeredgewidth=0, rasterized=True,
    )  # fmt: skip
    bars = {
        name: [median[column] - low[column], high[column] - median[column]]
        for name, column in (("xerr", "sparsity"), ("yerr", "test_accuracy"))
    }
    axes.errorbar(
        median["sparsity"], median["test_accuracy"], **bars, **look.line, ecolor=(look.colour, 0.5), markersize=2.5,
        elinewidth=0.6, linewidth=1,
    )  # fmt: skip
