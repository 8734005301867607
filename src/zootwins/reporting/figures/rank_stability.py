"""How far the order of a population is kept along sparsification: Kendall's tau of accuracies."""

from collections.abc import Mapping, Sequence
from textwrap import fill

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from zootwins.analyses.rank_stability import BEFORE, ORIGINAL, rank_stability_table
from zootwins.analyses.results import ZooResults
from zootwins.reporting.figures import COLOURS, COLUMN, legend_of, message, styled

AGAINST = {ORIGINAL: "with originals", BEFORE: "with point before"}


def rank_stability(zoos: Sequence[ZooResults]) -> Figure:
    """A row a zoo, a line a method, at the mean sparsity of its operating points; 95 % bootstrap intervals."""
    titles = {results.zoo.id: results.zoo.title for results in zoos}
    return draw_rank_stability(rank_stability_table(zoos), titles)


@styled
def draw_rank_stability(table: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """The figure of a table of `rank_stability_table`: left with the originals, right with the point before."""
    table = table.dropna(subset="tau")
    shown = list(dict.fromkeys(table["zoo"]))
    if not shown:
        return message("No zoo has three models whose accuracies differ.")
    size = (COLUMN, 0.8 + 1.5 * len(shown))
    figure, grid = plt.subplots(len(shown), len(AGAINST), figsize=size, sharex=True, sharey=True, squeeze=False)
    for row, zoo in zip(grid, shown, strict=True):
        part = table[table["zoo"] == zoo]
        for axes, (against, held) in zip(row, AGAINST.items(), strict=True):
            for method, line in part[part["against"] == against].groupby("method", sort=False):
                # a tau of 1 may be a rounding error less than the end of its interval
                bars = [(line["tau"] - line["low"]).clip(lower=0), (line["high"] - line["tau"]).clip(lower=0)]
                style = {"color": COLOURS[method], "linewidth": 0.9, "ecolor": (COLOURS[method], 0.5)}
                axes.errorbar(
                    line["sparsity"], line["tau"], yerr=bars, marker="o", markersize=2, elinewidth=0.5, **style
                )
            axes.axhline(0, color="#555555", linewidth=0.6)
            axes.set_title(f"{fill(titles[zoo], 22)}\nn = {part['models'].max():.0f}, {held}", fontsize=6)
            axes.set_ylim(min(-0.1, table[["low", "tau"]].min().min() - 0.05), 1.05)
    figure.supxlabel("Sparsity, %", fontsize=7)
    figure.supylabel("Kendall's tau", fontsize=7)
    legend_of(figure, dict.fromkeys(table["method"]), "-")
    return figure
