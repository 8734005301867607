"""Accuracy on the line between two candidates of a soup, and between strangers."""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from zootwins.analyses.results import ZooResults
from zootwins.catalogue.soups import SEED, STRANGERS
from zootwins.experiments.soups.gains import one_number, percent, with_soups
from zootwins.experiments.soups.pairs import POINTS
from zootwins.reporting.figures import COLUMN, fan, message, styled
from zootwins.reporting.figures.soup_gain import NO_SOUPS

KINDS = {"kin": "#0072B2", "strangers, own masks": "#D55E00", "strangers, one mask": "#E69F00"}


@styled
def soup_barrier(zoos: Sequence[ZooResults]) -> Figure:
    """A row a zoo, a column a goal, after phase 1: median, quartiles, 10–90 % and range over the models."""
    shown = with_soups(zoos, "soup_pairs")
    if not shown:
        return message(NO_SOUPS)
    tables = [_lines(results) for results in shown]
    columns = max(table["goal"].nunique() for table in tables)
    size = (COLUMN, 0.5 + 1.6 * len(shown))
    figure, grid = plt.subplots(len(shown), columns, figsize=size, sharex=True, sharey="row", squeeze=False)
    along = np.linspace(0, 1, POINTS)
    for row, results, table in zip(grid, shown, tables, strict=True):
        for axes, (goal, part) in zip(row, table.groupby("goal"), strict=False):
            for kind, colour in KINDS.items():
                if len(of_kind := part[part["kind"] == kind]):
                    values = of_kind[[f"line_{point}" for point in range(POINTS)]].to_numpy()
                    fan(axes, along, 100 * values, colour)
                    axes.lines[-1].set_label(kind)
            models = part["index"].nunique()
            axes.set_title(f"{results.zoo.title},\n{percent(goal):g} % pruned, n = {models}", fontsize=6.5)
    figure.supxlabel("Place on the line between the two networks", fontsize=7)
    figure.supylabel("Test accuracy, %", fontsize=7)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, [label.replace("strangers, ", "strangers,\n") for label in labels], loc="outside upper center", ncols=3
    )
    return figure


def _lines(results: ZooResults):
    """The mean over a model's pairs after phase 1, a row a model, goal and kind."""
    pairs = results.tables["soup_pairs"]
    first = one_number(pairs[(pairs["phase"] == 1) & pairs["variant"].isin((SEED, STRANGERS))])
    return first.groupby(["kind", "goal", "index"]).mean(numeric_only=True).reset_index()
