"""How far the order of a population is kept along sparsification: Kendall's tau of accuracies."""

from collections.abc import Mapping, Sequence
from textwrap import fill

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from zootwins.analyses.rank_stability import BEFORE, ORIGINAL, rank_stability_table
from zootwins.analyses.results import ZooResults
from zootwins.reporting.figures import COLOURS, COLUMN, legend_of, message, styled

LINES = {ORIGINAL: "-", BEFORE: ":"}


def rank_stability(zoos: Sequence[ZooResults]) -> Figure:
    """A panel a zoo, a line a method, at the mean sparsity of its operating points; 95 % bootstrap intervals."""
    titles = {results.zoo.id: results.zoo.title for results in zoos}
    return draw_rank_stability(rank_stability_table(zoos), titles)


@styled
def draw_rank_stability(table: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """The figure of a table of `rank_stability_table`."""
    table = table.dropna(subset="tau")
    shown = list(dict.fromkeys(table["zoo"]))
    if not shown:
        return message("No zoo has three models whose accuracies differ.")
    columns = min(2, len(shown))
    rows = -(-len(shown) // columns)
    size = (COLUMN, 0.7 + 1.5 * rows)
    figure, grid = plt.subplots(rows, columns, figsize=size, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(shown) :]:
        axes.set_axis_off()
    for axes, zoo in zip(grid.flat, shown, strict=False):
        part = table[table["zoo"] == zoo]
        for (method, against), line in part.groupby(["method", "against"], sort=False):
            bars = None
            if against == ORIGINAL:  # a tau of 1 may be a rounding error less than the end of its interval
                bars = [(line["tau"] - line["low"]).clip(lower=0), (line["high"] - line["tau"]).clip(lower=0)]
            style = {"color": COLOURS[method], "linestyle": LINES[against], "markersize": 2.5, "elinewidth": 0.5}
            axes.errorbar(line["sparsity"], line["tau"], yerr=bars, marker="o", **style)
        axes.axhline(0, color="#555555", linewidth=0.6)
        axes.set_title(f"{fill(titles[zoo], 22)}\nn = {part['models'].max():.0f}", fontsize=6.5)
        axes.set_ylim(min(-0.1, table[["low", "tau"]].min().min() - 0.05), 1.05)
    figure.supxlabel("Sparsity, %", fontsize=7)
    figure.supylabel("Kendall's tau of test accuracies", fontsize=7)
    names = {ORIGINAL: "with the originals", BEFORE: "with the point before"}
    held = [Line2D([], [], color="#555555", linestyle=LINES[one], label=name) for one, name in names.items()]
    legend_of(figure, dict.fromkeys(table["method"]), "-", held)
    return figure
