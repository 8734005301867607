"""Change in accuracy against compression ratio and theoretical speed-up."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from zootwins.analyses.results import ZooResults
from zootwins.reporting.figures import message, styled
from zootwins.reporting.figures.layout import (
    BEHIND,
    align,
    blocks_of,
    facet_handles,
    legend_above,
    method_handles,
    method_panels,
)
from zootwins.reporting.figures.looks import look_of

FACETS = {"compression": "Compression of the weights", "speed_up": "Theoretical speed-up"}
LINES = ("-", ":")


@styled
def compression(zoos: Sequence[ZooResults], table: pd.DataFrame) -> Figure:
    """Compression beside speed-up; the line is the mean change, the bar its 95 % interval; many have a panel each."""
    blocks = blocks_of(zoos, lambda results: results.zoo.methods)
    if not blocks:
        return message("None of the zoos has a method.")
    figure, panels = method_panels(blocks, 1.0, facets=tuple(FACETS.values()))
    for panel in panels:
        own = table[table["zoo"] == panel.zoo]
        for method in panel.behind:
            part = _points(own, method, "compression")
            panel.axes[0].plot(part["compression"], part["change_mean"], color=BEHIND, linewidth=0.6)
        for axes, name, line in zip(panel.axes, FACETS, LINES, strict=True):
            for method in panel.front:
                _line(axes, _points(own, method, name), method, name, line if panel.is_own else "-")
    if not np.isfinite(table[list(FACETS)]).any(axis=None):
        return message("None of the zoos has models to compress.")
    for panel in panels:
        for axes in panel.axes:
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_locator(LogLocator(2, numticks=4 if panel.is_own else 6))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter("{x:g}×")
    align(panels)
    figure.supylabel("Change in test accuracy, points", fontsize=7)
    if panels[0].is_own:
        figure.supxlabel("Compression of the weights, theoretical speed-up", fontsize=7)
        legend_above(figure, facet_handles(FACETS.values(), LINES))
    else:
        legend_above(figure, method_handles(dict.fromkeys(method for panel in panels for method in panel.front)))
    return figure


def _points(table: pd.DataFrame, method: str, name: str) -> pd.DataFrame:
    points = table[table["method"] == method]
    return points[np.isfinite(points[name])].sort_values(name)


def _line(axes: Axes, points: pd.DataFrame, method: str, name: str, line: str) -> None:
    bars = np.abs(points[["change_low", "change_high"]].T - points["change_mean"])
    axes.errorbar(
        points[name], points["change_mean"], yerr=bars.to_numpy(dtype=float), **look_of(method).line, linestyle=line,
        markersize=2.5, elinewidth=0.5, linewidth=1,
    )  # fmt: skip
