"""How far the order of a population is kept along sparsification: Kendall's tau of accuracies."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zootwins.analyses.results import BEFORE, ORIGINAL, ZooResults
from zootwins.reporting.figures import QUIET, message, styled
from zootwins.reporting.figures.layout import (
    BEHIND,
    Block,
    align,
    facet_handles,
    legend_above,
    method_handles,
    method_panels,
)
from zootwins.reporting.figures.looks import look_of

FACETS = {ORIGINAL: "with the originals", BEFORE: "with the point before"}
LINES = ("-", ":")


def rank_stability(zoos: Sequence[ZooResults], table: pd.DataFrame) -> Figure:
    """One line per method, at the mean sparsity of its operating points; 95 % bootstrap intervals."""
    titles = {results.zoo.id: results.zoo.title for results in zoos}
    return draw_rank_stability(table, titles)


@styled
def draw_rank_stability(table: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Draw a table of `rank_stability_table`; of many methods a panel each."""
    table = table.dropna(subset="tau")
    if table.empty:
        return message("No zoo has three models whose accuracies differ.")
    blocks = [
        Block(zoo, f"{titles[zoo]}, n = {part['models'].max():.0f}", tuple(dict.fromkeys(part["method"])))
        for zoo, part in table.groupby("zoo", sort=False)
    ]
    figure, panels = method_panels(blocks, 1.15, facets=tuple(FACETS.values()))
    lines = dict(iter(table.groupby(["zoo", "against", "method"])))
    for panel in panels:
        for method in panel.behind:
            if (line := lines.get((panel.zoo, ORIGINAL, method))) is not None:
                panel.axes[0].plot(line["sparsity"], line["tau"], color=BEHIND, linewidth=0.6)
        for axes, against, style in zip(panel.axes, FACETS, LINES, strict=True):
            axes.axhline(0, color=QUIET, linewidth=0.6)
            for method in panel.front:
                if (line := lines.get((panel.zoo, against, method))) is not None:
                    _line(axes, line, method, style if panel.is_own else "-")
        panel.axes[0].set_ylim(min(-0.1, table[["low", "tau"]].min().min() - 0.05), 1.05)
    align(panels)
    figure.supylabel("Kendall's tau of accuracies", fontsize=7)
    figure.supxlabel("Sparsity, %", fontsize=7)
    if panels[0].is_own:
        legend_above(figure, facet_handles(FACETS.values(), LINES))
    else:
        legend_above(figure, method_handles(dict.fromkeys(table["method"])))
    return figure


def _line(axes: Axes, line: pd.DataFrame, method: str, style: str) -> None:
    look = look_of(method)
    # a tau of 1 may be a rounding error less than the end of its interval
    bars = [(line["tau"] - line["low"]).clip(lower=0), (line["high"] - line["tau"]).clip(lower=0)]
    axes.errorbar(
        line["sparsity"], line["tau"], yerr=bars, **look.line, linestyle=style, linewidth=0.9,
        ecolor=(look.colour, 0.5), markersize=2.5, elinewidth=0.5,
    )  # fmt: skip
