"""What soups gain on corrupted images, beside what they gain on the images they were made for."""

from collections.abc import Sequence

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zootwins.analyses.results import ZooResults
from zootwins.catalogue.soups import SEED
from zootwins.experiments.soups.gains import one_number, percent, with_soups
from zootwins.experiments.soups.soup_tables import all_shifted
from zootwins.images import CORRUPTIONS, SEVERITIES
from zootwins.reporting.figures import COLUMN, message, styled
from zootwins.reporting.figures.soup_gain import NO_SOUPS


@styled
def soup_shifted(zoos: Sequence[ZooResults]) -> Figure:
    """A row a zoo, at the highest sparsity. Left: a dot a model, the line is equality; right: means by corruption."""
    shown = [(results, _table(results)) for results in with_soups(zoos)]
    shown = [(results, table) for results, table in shown if "corruptions" in set(table["set"])]
    if not shown:
        return message(NO_SOUPS)
    figure, grid = plt.subplots(len(shown), 2, figsize=(COLUMN, 0.9 + 1.6 * len(shown)), squeeze=False)
    for (left, right), (results, table) in zip(grid, shown, strict=True):
        _models(left, table)
        _corruptions(right, table)
        goal, models = percent(table["goal"].max()), table["index"].nunique()
        left.set_title(f"{results.zoo.title},\n{goal:g} % pruned, n = {models}", fontsize=6.5)
    figure.supylabel("Gain over the mean, points", fontsize=7)
    figure.legend(*grid[0, 1].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def _table(results: ZooResults) -> pd.DataFrame:
    table = one_number(all_shifted(results))
    table = table[(table["variant"] == SEED) & (table["against"] == "mean_member")]
    return table[table["goal"] == table["goal"].max()].assign(gain=100 * table["gain"])


def _models(axes: Axes, table: pd.DataFrame) -> None:
    wide = table[table["severity"] == 0].pivot_table(index="index", columns="set", values="gain")
    axes.plot(wide["test"], wide["corruptions"], ".", markersize=3)
    axes.axline((0, 0), slope=1, color="#555555", linewidth=0.8)
    axes.set(xlabel="Gain on test images, points", ylabel="on corrupted images")


def _corruptions(axes: Axes, table: pd.DataFrame) -> None:
    for name in CORRUPTIONS:
        means = table[table["set"] == name].groupby("severity")["gain"].mean()
        axes.plot(means.index, means, marker="o", markersize=2, linewidth=0.9, label=name)
    axes.axhline(0, color="#555555", linewidth=0.8)
    axes.set_xticks(SEVERITIES)
    axes.set_xlabel("Severity")
