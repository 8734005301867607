"""Test accuracy of pruned models less that of the same masks retrained."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zootwins.analyses.results import ZooResults
from zootwins.analyses.retrained import BUDGETS, retraining_methods
from zootwins.reporting.figures import QUIET, message, styled
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

LINES = dict(zip(BUDGETS, (":", "--", "-"), strict=True))
BUDGET_NAMES = {
    "E": "retrained for the original's epochs",
    "matched": "and for pruning's",
    "B": "for twice the original's",
}


@styled
def scratch_comparison(zoos: Sequence[ZooResults], table: pd.DataFrame) -> Figure:
    """Mean difference, pruned less retrained, against sparsity; bars are 95 % intervals."""
    table = table[(table["init"] == "plain") & (table["models"] > 0)]
    shown = set(table["zoo"])
    blocks = blocks_of([results for results in zoos if results.zoo.id in shown], retraining_methods)
    if not blocks:
        return message("None of the zoos has masks retrained.")
    figure, panels = method_panels(blocks, 1.5)
    for panel in panels:
        part = table[table["zoo"] == panel.zoo]
        for method in panel.behind:
            line = part[(part["method"] == method) & (part["budget"] == BUDGETS[-1])]
            panel.axes[0].plot(line["sparsity"], line["mean"], color=BEHIND, linewidth=0.6)
        _panel(panel.axes[0], part[part["method"].isin(panel.front)])
    align(panels)
    figure.supxlabel("Requested sparsity, %", fontsize=7)
    figure.supylabel("Pruned − retrained, points", fontsize=7)
    methods = [] if panels[0].is_own else dict.fromkeys(table["method"])
    legend_above(figure, [*method_handles(methods), *facet_handles(BUDGET_NAMES.values(), LINES.values())])
    return figure


def _panel(axes: Axes, table: pd.DataFrame) -> None:
    arms = list(table.groupby(["method", "budget"], sort=False))
    axes.axhline(0, color=QUIET, linewidth=0.8)
    for ((method, budget), part), offset in zip(arms, np.linspace(-1.2, 1.2, len(arms)), strict=True):
        bars = np.abs(part[["low", "high"]].T - part["mean"]).to_numpy(dtype=float)
        axes.errorbar(
            part["sparsity"] + offset, part["mean"], yerr=bars, **look_of(method).line, linestyle=LINES[budget],
            markersize=2, linewidth=0.9, elinewidth=0.5,
        )  # fmt: skip
