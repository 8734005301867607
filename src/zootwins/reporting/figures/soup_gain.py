"""What soups gain: the distribution over a zoo's models, beside what soups are held against."""

from collections.abc import Sequence

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from zootwins.analyses.results import ZooResults
from zootwins.catalogue.soups import SEED
from zootwins.experiments.soups.gains import gains, last_phase, one_number, percent, with_soups
from zootwins.reporting.figures import COLUMN, message, styled

NO_SOUPS = "None of the zoos has soups."
SHOWN = {
    "mean_member": "mean member",
    "best_member": "best member",
    "imp": "IMP",
    "imp_long": "IMP, m× as long",
    "swa": "the same, SWA",
    "reprune": "IMP re-pruned",
    "ensemble": "ensemble",
}


@styled
def soup_gain(zoos: Sequence[ZooResults]) -> Figure:
    """A row a zoo; dots are models, boxes quartiles and median, after the last phase. Right of 0 the soup is better.

    The scale is linear from −1 to 1 and logarithmic beyond.
    """
    import seaborn as sns  # slow to import, and other figures of soups take a constant from here

    shown = with_soups(zoos)
    if not shown:
        return message(NO_SOUPS)
    figure, grid = plt.subplots(len(shown), 1, figsize=(COLUMN, 0.4 + 1.7 * len(shown)), sharex=True, squeeze=False)
    for axes, results in zip(grid[:, 0], shown, strict=True):
        table = one_number(last_phase(gains(results, merged=["soup"])))
        table = table[(table["variant"] == SEED) & table["against"].isin(SHOWN)]
        goals = table["goal"].map(lambda goal: f"{percent(goal):g} %")
        named = table.assign(gain=100 * table["gain"], against=table["against"].map(SHOWN), goal=goals)
        order = [name for name in SHOWN.values() if name in set(named["against"])]
        settings = {
            "data": named,
            "x": "gain",
            "y": "against",
            "hue": "goal",
            "order": order,
            "ax": axes,
            "dodge": True,
        }
        sns.boxplot(**settings, showfliers=False, linewidth=0.6, fill=False, gap=0.2, legend=False)
        sns.stripplot(**settings, size=1.6, alpha=0.5, jitter=False)
        axes.set_xscale("symlog", linthresh=1)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.axvline(0, color="#555555", linewidth=0.8, zorder=0)
        axes.get_legend().remove()
        axes.set(xlabel="", ylabel="")
        axes.set_title(f"{results.zoo.title}, n = {table['index'].nunique()}", fontsize=6.5)
        members = table["members"].max()
    figure.supxlabel(f"Test accuracy of the soup of {members} less that of …, points", fontsize=7)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    if len(labels) > 1:
        figure.legend(handles, [f"{label} pruned" for label in labels], loc="outside upper center", ncols=4)
    return figure
