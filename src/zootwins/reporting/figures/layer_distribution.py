"""Sparsity of each layer by method, where the whole network has the same sparsity."""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zootwins.analyses.layer_distribution import layers_at_sparsity
from zootwins.analyses.results import ZooResults
from zootwins.analyses.scratch import pruning_methods
from zootwins.reporting.figures import COLOURS, COLUMN, legend_of, message, styled

SHOWN = 0.8


@styled
def layer_distribution(zoos: Sequence[ZooResults]) -> Figure:
    """A panel a zoo: mean over models, bars of one standard deviation; the dashed line is the whole network.

    Methods that retrain the masks of another have its layers and are left out.
    """
    zoos = [results for results in zoos if pruning_methods(results)]
    if not zoos:
        return message("None of the zoos has a method that prunes.")
    figure, grid = plt.subplots(len(zoos), 1, figsize=(COLUMN, 0.7 + 1.5 * len(zoos)), squeeze=False)
    for axes, results in zip(grid.flat, zoos, strict=True):
        _panel(axes, results)
    figure.supylabel(f"Sparsity of the layer at {SHOWN:.0%} of the network, %", fontsize=7)
    legend_of(figure, dict.fromkeys(method for results in zoos for method in pruning_methods(results)))
    return figure


def _panel(axes: Axes, results: ZooResults) -> None:
    methods = pruning_methods(results)
    offsets = np.linspace(-0.3, 0.3, len(methods)) if len(methods) > 1 else [0.0]
    names: list[str] = []
    for method, offset in zip(methods, offsets, strict=True):
        layers = {name: 100 * at[SHOWN].dropna() for name, at in layers_at_sparsity(results, method, [SHOWN]).items()}
        names = list(layers)
        mean, deviation = ([getattr(values, name)() for values in layers.values()] for name in ("mean", "std"))
        place = np.arange(len(layers)) + offset
        axes.errorbar(place, mean, yerr=deviation, fmt="o", color=COLOURS[method], markersize=2.5, elinewidth=0.7)
    axes.axhline(100 * SHOWN, color="#555555", linewidth=0.6, linestyle="--")
    axes.set_xticks(range(len(names)), names)
    axes.set_title(f"{results.zoo.title}, n ≤ {len(results.originals)}", fontsize=6.5)
