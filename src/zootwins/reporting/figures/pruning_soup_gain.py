"""What soups gain while pruning trains: the distribution over a zoo's models, by method."""

from collections.abc import Sequence

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from zootwins.analyses.cells import shorts
from zootwins.analyses.results import ZooResults
from zootwins.experiments.soups.while_pruning_tables import gains
from zootwins.reporting.figures import COLUMN, QUIET, message, styled
from zootwins.reporting.figures.layout import SMALL, heading_lines, in_lines, legend_above, set_heading
from zootwins.reporting.figures.looks import name_of

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
    rows = [max(4, table["method"].nunique()) for table in tables.values()]
    size = (COLUMN, 0.3 + 0.45 * sum(rows) + 0.12 * heading_lines(tables) * len(tables))
    figure, grid = plt.subplots(len(tables), 1, figsize=size, height_ratios=rows, sharex=True, squeeze=False)
    for axes, (title, table) in zip(grid[:, 0], tables.items(), strict=True):
        methods = table["method"].unique()
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
        axes.axvline(0, color=QUIET, linewidth=0.8, zorder=0)
        axes.get_legend().remove()
        axes.set(xlabel="", ylabel="")
        axes.set_yticks(range(len(methods)), in_lines(map(name_of, methods), 3, SMALL, 0.8), fontsize=SMALL)
        set_heading(
            axes, f"{title}, n = {table['index'].nunique()}, goal {100 * table['goal'].max():g} %", COLUMN - 1.4
        )
    figure.supxlabel("Test accuracy of the soup less that of …, points", fontsize=7)
    legend_above(figure, grid[0, 0].get_legend_handles_labels()[0], most_columns=2)
    return figure
