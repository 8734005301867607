"""Accuracy at the same sparsity, every method; beside it the two networks of The State of Sparsity."""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zootwins.analyses.pairing import at_sparsity
from zootwins.analyses.results import ZooResults
from zootwins.analyses.state_of_sparsity import DENSE, SCORES, TITLES, VARIANTS, published_scores
from zootwins.reporting.figures import COLOURS, COLUMN, legend_of, message, styled

GRID = np.arange(0.3, 0.985, 0.01)
LEAST = 0.5  # share of the models that has to be as sparse for a line to be drawn
FAINT_UP_TO = 50  # models: with more, their lines would be one area


@styled
def sparsity_tradeoff(zoos: Sequence[ZooResults]) -> Figure:
    """A panel a zoo: median (line), 10 to 90 % (band) and every model (faint) between its own operating points."""
    zoos = [results for results in zoos if results.zoo.methods]
    if not zoos:
        return message("None of the zoos has a method.")
    figure = plt.figure(figsize=(COLUMN, 2.5 + 2.1 * len(zoos)))
    grid = figure.add_gridspec(len(zoos) + 1, len(DENSE), height_ratios=[2.1] * len(zoos) + [1.6])
    panels = [figure.add_subplot(grid[row, :]) for row in range(len(zoos))]
    networks = [figure.add_subplot(grid[-1, column]) for column in range(len(DENSE))]
    for axes, results in zip(panels, zoos, strict=True):
        for method in results.zoo.methods:
            _method(axes, results, method)
        dense = 100 * results.originals["test_accuracy"].median()
        axes.axhline(dense, color="#555555", linewidth=0.6, linestyle="--")
        models = f"n = {len(results.originals)}: median, 10 to 90 %, every model"
        axes.set_title(f"{results.zoo.title}, {models}", fontsize=6.5)
        axes.set_ylabel("Test accuracy, %")
    for axes, network in zip(networks, DENSE, strict=True):
        _network(axes, network)
    for axes in (*panels, *networks):
        axes.set_xlim(100 * GRID[0], 100)
    figure.supxlabel("Sparsity, %", fontsize=7)
    legend_of(figure, dict.fromkeys(method for results in zoos for method in results.zoo.methods), line="-")
    return figure


def _method(axes: Axes, results: ZooResults, method: str) -> None:
    accuracies = 100 * at_sparsity(results.curve(method), GRID).to_numpy(dtype=float)  # [models, sparsities]
    there = np.isfinite(accuracies).mean(axis=0) >= LEAST
    if not there.any():
        return
    if len(accuracies) <= FAINT_UP_TO:
        axes.plot(100 * GRID, accuracies.T, color=COLOURS[method], linewidth=0.3, alpha=0.15)
    low, median, high = np.nanquantile(accuracies[:, there], (0.1, 0.5, 0.9), axis=0)
    axes.fill_between(100 * GRID[there], low, high, color=COLOURS[method], alpha=0.1, linewidth=0)
    axes.plot(100 * GRID[there], median, color=COLOURS[method])


def _network(axes: Axes, network: str) -> None:
    """What the authors published of a network, in our methods' colours; a scale of its own."""
    for method, colour in COLOURS.items():
        scores = published_scores(method)[network]
        if scores and method not in VARIANTS:
            axes.plot(100 * np.array(list(scores)), list(scores.values()), "o-", color=colour, markersize=2)
    axes.axhline(DENSE[network], color="#555555", linewidth=0.6, linestyle="--")
    axes.set_title(f"{TITLES[network]}\n(the authors' runs)", fontsize=6.5)
    axes.set_ylabel(SCORES[network])
