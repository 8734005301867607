"""Sparsification-friendly and -hard models: how much a model's rank changes from original to twin."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from zootwins.analyses.results import ZooResults
from zootwins.reporting.figures import QUIET, message, styled
from zootwins.reporting.figures.layout import annotate, blocks_of, legend_above, panel_each
from zootwins.reporting.figures.looks import look_of

UNDECIDED = "#aaaaaa"
BARS_UP_TO = 100  # models: with more, the intervals would cover the points


@styled
def rank_change(zoos: Sequence[ZooResults]) -> Figure:
    """One panel per zoo and method. Coloured: the interval of the rank change excludes 0."""
    blocks = blocks_of(zoos, lambda results: results.operating_points("correlation"))
    if not blocks:
        return message("None of the zoos has an operating point to compare ranks at.")
    of_zoo = {results.zoo.id: results for results in zoos}
    changed = {block.zoo: [_changed(of_zoo[block.zoo], method) for method in block.methods] for block in blocks}
    figure, panels = panel_each(blocks, changed)
    for panel in panels:
        _panel(panel.axes[0], of_zoo[panel.zoo], *panel.front)
    figure.supxlabel("Rank of the original (best: right)", fontsize=7)
    figure.supylabel("Rank of the twin − rank of the original (friendly: top)", fontsize=7)
    texts = {UNDECIDED: "interval contains 0", QUIET: "changed (in the method's colour)"}
    handles = [Line2D([], [], color=colour, marker=".", label=text) for colour, text in texts.items()]
    legend_above(figure, handles)
    return figure


def _changed(results: ZooResults, method: str) -> str:
    changes = results.tables.get(f"{method}/response")
    return "" if changes is None else f"{_decided(changes).sum()} of {len(changes)} changed"


def _decided(changes):
    return (changes["low"] > 0) | (changes["high"] < 0)


def _panel(axes: Axes, results: ZooResults, method: str) -> None:
    changes = results.tables.get(f"{method}/response")
    if changes is None or changes.empty:
        annotate(axes, "no ranks at this operating point")
        return
    decided = _decided(changes)
    axes.axhline(0, color=QUIET, linewidth=0.8)
    for part, colour in ((changes[~decided], UNDECIDED), (changes[decided], look_of(method).colour)):
        axes.plot(part["original_rank"], part["rank_change"], ".", color=colour, markersize=2.5, rasterized=True)
        if len(changes) <= BARS_UP_TO:
            axes.vlines(part["original_rank"], part["low"], part["high"], color=colour, linewidth=0.6)
    axes.set_ylim(-len(changes), len(changes))
