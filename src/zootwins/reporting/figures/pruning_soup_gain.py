"""What soups gain while pruning trains: the distribution over a zoo's models, by method."""

from collections.abc import Sequence

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from zootwins.analyses.cells import shorts
from zootwins.analyses.results import ZooResults
from zootwins.experiments.soups.while_pruning_tables import gains
from zootwins.reporting.figures import COLUMN, message, styled

SHOWN = {
    "single": "the method alone",
    "restarted": "its optimiser restarted",
    "long": "m× as long",
    "mean_member": "mean copy",
}


@styled
def pruning_soup_gain(zoos: Sequence[ZooResults]) -> Figure:
    """A row per zoo; dots are models, boxes quartiles and median. Right of 0 the soup is better.

    Where there are several goals, the highest. The scale is linear from −1 to 1 and logarithmic beyond.
    """
    import seaborn as sns

    tables = {results.zoo.title: gains(results) for results in zoos}
    tables = {title: table[table["goal"] == table["goal"].max()] for title, table in tables.items() if len(table)}
    if not tables:
        return message("None of the zoos has soups while pruning trains.")
    figure, grid = plt.subplots(len(tables), 1, figsize=(COLUMN, 0.5 + 2.4 * len(tables)), sharex=True, squeeze=False)
    for axes, (title, table) in zip(grid[:, 0], tables.items(), strict=True):
        named = table.assign(
            gain=100 * table["gain"], against=table["against"].map(SHOWN), method=shorts(table["method"])
        )
        settings = {
            "data": named,
            "x": "gain",
            "y": "method",
            "hue": "against",
            "hue_order": SHOWN.values(),
            "ax": axes,
        }
        sns.boxplot(**settings, showfliers=False, linewidth=0.6, fill=False, gap=0.2, legend=False)
        sns.stripplot(**settings, dodge=True, size=1.6, alpha=0.5, jitter=False)
        axes.set_xscale("symlog", linthresh=1)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.axvline(0, color="#555555", linewidth=0.8, zorder=0)
        axes.get_legend().remove()
        axes.set(xlabel="", ylabel="")
        axes.set_title(f"{title}, n = {table['index'].nunique()}, goal {100 * table['goal'].max():g} %", fontsize=6.5)
    figure.supxlabel("Test accuracy of the soup less that of …, points", fontsize=7)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure
