"""Sparsification-friendly and -hard models: how much a model's rank changes from original to twin."""

from collections.abc import Sequence
from textwrap import fill

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zootwins.analyses.results import ZooResults
from zootwins.reporting.figures import COLOURS, COLUMN, NAMES, message, styled

UNDECIDED = "#aaaaaa"
BARS_UP_TO = 100  # models: with more, the intervals would cover the points


@styled
def rank_change(zoos: Sequence[ZooResults]) -> Figure:
    """A row a zoo, a panel a method. Coloured: the interval of the rank change excludes 0."""
    shown = [results for results in zoos if results.operating_points("correlation")]
    if not shown:
        return message("None of the zoos has an operating point to compare ranks at.")
    methods = list(dict.fromkeys(method for results in shown for method in results.operating_points("correlation")))
    size = (COLUMN / 2 * max(2, len(methods)), 0.5 + 1.4 * len(shown))
    figure, grid = plt.subplots(len(shown), len(methods), figsize=size, sharey="row", squeeze=False)
    for row, results in zip(grid, shown, strict=True):
        for axes, method in zip(row, methods, strict=True):
            _panel(axes, results, method)
    figure.supxlabel("Rank of the original (best: right)", fontsize=7)
    figure.supylabel("Rank of the twin − rank of the original (friendly: top)", fontsize=7)
    return figure


def _panel(axes: Axes, results: ZooResults, method: str) -> None:
    changes = results.tables.get(f"{method}/response")
    if changes is None:
        axes.set_axis_off()
        return
    decided = (changes["low"] > 0) | (changes["high"] < 0)
    axes.axhline(0, color="#555555", linewidth=0.8)
    for part, colour in ((changes[~decided], UNDECIDED), (changes[decided], COLOURS[method])):
        axes.plot(part["original_rank"], part["rank_change"], ".", color=colour, rasterized=True)
        if len(changes) <= BARS_UP_TO:
            axes.vlines(part["original_rank"], part["low"], part["high"], color=colour, linewidth=0.6)
    axes.set_ylim(-len(changes), len(changes))
    title = f"{NAMES[method]}: {decided.sum()} of n = {len(changes)} changed"
    axes.set_title(f"{fill(results.zoo.title, 24)}\n{title}", fontsize=6)
