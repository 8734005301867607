"""A soup's gain against the distance of its members."""

from collections.abc import Sequence

from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from zootwins.analyses.results import ZooResults
from zootwins.experiments.soups.gains import VARIANTS, distances, gains, last_phase, one_number, percent, with_soups
from zootwins.reporting.figures import COLUMN, message, styled
from zootwins.reporting.figures.soup_gain import NO_SOUPS


@styled
def soup_distance(zoos: Sequence[ZooResults]) -> Figure:
    """A panel a zoo; a dot is a model's soup after the last phase of its variant, with the variant's colour.

    Of the highest goal, but for unpruned models.
    """
    shown = with_soups(zoos)
    if not shown:
        return message(NO_SOUPS)
    figure, grid = plt.subplots(len(shown), 1, figsize=(COLUMN, 0.6 + 1.6 * len(shown)), squeeze=False)
    for axes, results in zip(grid[:, 0], shown, strict=True):
        gained = one_number(last_phase(gains(results, merged=["soup"])))
        gained = gained[gained["against"] == "mean_member"]
        gained = gained[gained["goal"] == gained.groupby("variant")["goal"].transform("max")]
        joined = gained.merge(distances(results), on=["variant", "members", "goal", "index"])
        goal = percent(joined["goal"].max())
        for variant, label in VARIANTS.items():
            if len(part := joined[joined["variant"] == variant]):
                axes.plot(part["distance"], 100 * part["gain"], ".", markersize=3, alpha=0.7, label=label)
        axes.axhline(0, color="#555555", linewidth=0.8)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.4)))  # within a decade alone
        models = joined["index"].nunique()
        axes.set_title(f"{results.zoo.title}, towards {goal:g} %, n = {models}", fontsize=6.5)
    figure.supxlabel("Mean L2 distance of the soup's members", fontsize=7)
    figure.supylabel("Gain over the mean, points", fontsize=7)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure
