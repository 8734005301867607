"""Figure 4: larger layers become sparser: layer size against mean sparsity over all zoos, several VD epochs."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from zootwins.analyses.results import ZooResults
from zootwins.reporting.figures import COLUMN, message, styled
from zootwins.reporting.figures.layout import legend_above

EPOCHS = (5, 10, 15, 20)
BINS_PER_DECADE = 3


@styled
def layer_size(zoos: Sequence[ZooResults]) -> Figure:
    """One panel per epoch: binned mean of the layers' mean sparsities, error bars of one standard deviation.

    A point is a layer of a zoo: its mean over the zoo's models. Both axes are logarithmic; means and deviations are
    taken of the logarithms, so layers without any pruned weight are left out.
    """
    layers = layer_means(zoos)
    epochs = [epoch for epoch in EPOCHS if epoch in set(layers["epoch"])]
    if not epochs:
        return message(f"None of the zoos has variational dropout at epochs {', '.join(map(str, EPOCHS))}.")
    models = sum(len(results.originals) for results in zoos if "vd/layers" in results.tables)
    columns = min(2, len(epochs))
    rows = -(-len(epochs) // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(COLUMN, 0.5 + 1.25 * rows), sharex=True, sharey=True, squeeze=False
    )
    for axes in grid.flat[len(epochs) :]:
        axes.set_axis_off()
    for axes, epoch in zip(grid.flat, epochs, strict=False):
        points = layers[layers["epoch"] == epoch]
        axes.plot(points["weights"], 100 * points["sparsity"], ".", color="#999999", label="a layer of a zoo")
        bins = binned(points)
        sparsity = 100 * np.exp(bins["mean"])
        below, above = (
            sparsity - 100 * np.exp(bins["mean"] - bins["std"]),
            100 * np.exp(bins["mean"] + bins["std"]) - sparsity,
        )
        axes.errorbar(
            np.exp(bins["size"]),
            sparsity,
            yerr=[below, above],
            marker="o",
            capsize=2,
            elinewidth=0.8,
            label="bin: mean ± std",
        )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_title(f"Epoch {epoch}")
    legend_above(figure, grid.flat[0].get_legend_handles_labels()[0])
    figure.supxlabel(f"Weights in the layer ({models} models of {layers['zoo'].nunique()} zoos)", fontsize=7)
    figure.supylabel("Mean sparsity, %", fontsize=7)
    return figure


def layer_means(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Return the mean sparsity of every zoo's layers at every VD epoch: zoo, epoch, layer, weights, sparsity."""
    tables = [
        results.tables["vd/layers"].assign(zoo=results.zoo.id) for results in zoos if "vd/layers" in results.tables
    ]
    if not tables:
        return pd.DataFrame(columns=["zoo", "epoch", "layer", "weights", "sparsity"])
    return (
        pd.concat(tables).groupby(["zoo", "epoch", "layer", "weights"], as_index=False, sort=False)["sparsity"].mean()
    )


def binned(points: pd.DataFrame) -> pd.DataFrame:
    """Return the mean log size, and mean and deviation of log sparsity, of the layers in each bin of log size."""
    points = points[points["sparsity"] > 0]
    size, sparsity = np.log(points["weights"].astype(float)), np.log(points["sparsity"].astype(float))
    bins = np.floor(size / np.log(10) * BINS_PER_DECADE)
    groups = pd.DataFrame({"size": size, "sparsity": sparsity}).groupby(bins)
    return pd.DataFrame(
        {
            "size": groups["size"].mean(),
            "mean": groups["sparsity"].mean(),
            "std": groups["sparsity"].std().fillna(0),
            "layers": groups.size(),
        }
    )
