"""Change in accuracy against compression ratio and theoretical speed-up."""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from zootwins.analyses.compression import compression_table
from zootwins.analyses.results import ZooResults
from zootwins.reporting.figures import COLOURS, COLUMN, legend_of, styled


@styled
def compression(zoos: Sequence[ZooResults]) -> Figure:
    """A row a zoo. Left: compression; right: speed-up; the line is the mean change, the bar its 95 % interval."""
    table = compression_table(zoos)
    figure, grid = plt.subplots(
        len(zoos), 2, figsize=(COLUMN, 0.5 + 1.25 * len(zoos)), sharex="col", sharey="row", squeeze=False
    )
    for row, results in zip(grid, zoos, strict=True):
        for axes, name in zip(row, ("compression", "speed_up"), strict=True):
            for method in results.zoo.methods:
                points = table[(table["zoo"] == results.zoo.id) & (table["method"] == method)]
                points = points[np.isfinite(points[name])].sort_values(name)
                bars = np.abs(points[["change_low", "change_high"]].T - points["change_mean"])
                axes.errorbar(
                    points[name],
                    points["change_mean"],
                    yerr=bars.to_numpy(dtype=float),
                    color=COLOURS[method],
                    marker="o",
                    markersize=2.5,
                    elinewidth=0.5,
                )
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter("{x:g}×")
        row[0].set_title(f"{results.zoo.title}, n = {len(results.originals)}", fontsize=6.5)
    for axes, text in zip(grid[-1], ("Compression of the weights", "Theoretical speed-up"), strict=True):
        axes.set_xlabel(text)
    figure.supylabel("Change in test accuracy, points", fontsize=7)
    legend_of(figure, dict.fromkeys(method for results in zoos for method in results.zoo.methods), "-")
    return figure
