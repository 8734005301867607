"""Accuracy on the line between two members of a soup, and between unrelated models."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from zootwins.analyses.results import ZooResults
from zootwins.catalogue.soups import SEED, UNRELATED
from zootwins.experiments.soups.gains import POINTS, one_number, with_soups
from zootwins.reporting.figures import COLUMN, message, styled
from zootwins.reporting.figures.soup_gain import NO_SOUPS

KINDS = {"kin": "#0072B2", "unrelated models, own masks": "#D55E00", "unrelated models, one mask": "#E69F00"}


@styled
def soup_barrier(zoos: Sequence[ZooResults]) -> Figure:
    """A row a zoo, after phase 1 of the highest goal: median and quartiles over the models."""
    shown = with_soups(zoos)
    if not shown:
        return message(NO_SOUPS)
    figure, grid = plt.subplots(len(shown), 1, figsize=(COLUMN, 0.5 + 1.6 * len(shown)), sharex=True, squeeze=False)
    along = np.linspace(0, 1, POINTS)
    for axes, results in zip(grid[:, 0], shown, strict=True):
        table = _lines(results)
        for kind, colour in KINDS.items():
            values = 100 * table.loc[table["kind"] == kind, [f"line_{point}" for point in range(POINTS)]].to_numpy()
            if len(values):
                low, median, high = np.quantile(values, (0.25, 0.5, 0.75), axis=0)
                axes.fill_between(along, low, high, color=colour, alpha=0.25, linewidth=0)
                axes.plot(along, median, color=colour, label=kind)
        models, pruned = table["index"].nunique(), 100 * table["sparsity"].mean()
        axes.set_title(f"{results.zoo.title}, {pruned:.0f} % pruned, n = {models}", fontsize=6.5)
    figure.supxlabel("Place on the line between the two networks", fontsize=7)
    figure.supylabel("Test accuracy, %", fontsize=7)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(
        handles,
        [label.replace("unrelated models, ", "unrelated models,\n") for label in labels],
        loc="outside upper center",
        ncols=3,
    )
    return figure


def _lines(results: ZooResults) -> pd.DataFrame:
    """The mean over a model's pairs after phase 1 of the highest goal, one row per model and kind, with sparsity."""
    pairs = results.tables["soup_pairs"]
    first = one_number(pairs[(pairs["phase"] == 1) & pairs["variant"].isin((SEED, UNRELATED))])
    first = first[first["goal"] == first["goal"].max()]
    soups = results.tables["soups"]
    pruned = soups[(soups["arm"] == "soup") & (soups["variant"] == SEED)]
    keys = ["members", "goal", "phase", "index"]
    known = first.merge(pruned[[*keys, "sparsity"]], on=keys)
    return known.groupby(["kind", "index"]).mean(numeric_only=True).reset_index()
