"""What sparsity costs, every method; beside it the two networks of The State of Sparsity."""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from zootwins.analyses.pairing import at_sparsity
from zootwins.analyses.results import ZooResults
from zootwins.analyses.state_of_sparsity import DENSE, SCORES, TITLES, VARIANTS, published_scores
from zootwins.reporting.figures import COLOURS, COLUMN, legend_of, message, styled

GRID = np.arange(0.3, 0.985, 0.01)
LEAST = 0.5  # share of the models that has to be as sparse for a line to be drawn
FAINT_UP_TO = 50  # models: with more, their lines would be one area


@styled
def sparsity_tradeoff(zoos: Sequence[ZooResults]) -> Figure:
    """A panel a zoo: accuracy less the original's between a model's own operating points, over models.

    Changes, because models that no setting makes as sparse drop out along a line, and their originals with them.
    """
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
        axes.set_title(f"{results.zoo.title}, n = {len(results.originals)}", fontsize=6.5)
        axes.set_ylabel("Accuracy − original's, points")
    for axes, network in zip(networks, DENSE, strict=True):
        _network(axes, network)
    for axes in (*panels, *networks):
        axes.axhline(0, color="#555555", linewidth=0.6, linestyle="--")
        axes.set_xlim(100 * GRID[0], 100)
    figure.supxlabel("Sparsity, %", fontsize=7)
    what = [
        Line2D([], [], color="#555555", label="median"),
        Patch(color="#555555", alpha=0.25, linewidth=0, label="10 to 90 %"),
        Line2D([], [], color="#555555", linewidth=0.4, label="a model"),
    ]
    methods = [method for results in zoos for method in results.zoo.methods]
    legend_of(figure, dict.fromkeys((*methods, *_published())), "-", what)
    return figure


def _method(axes: Axes, results: ZooResults, method: str) -> None:
    accuracies = at_sparsity(results.curve(method), GRID)
    originals = results.originals["test_accuracy"].reindex(accuracies.index)
    changes = 100 * accuracies.sub(originals, axis=0).to_numpy(dtype=float)  # [models, sparsities]
    there = np.isfinite(changes).sum(axis=0) >= max(1, LEAST * len(changes))
    if not there.any():
        return
    if len(changes) <= FAINT_UP_TO:
        axes.plot(100 * GRID, changes.T, color=COLOURS[method], linewidth=0.3, alpha=0.15)
    low, median, high = np.nanquantile(changes[:, there], (0.1, 0.5, 0.9), axis=0)
    axes.fill_between(100 * GRID[there], low, high, color=COLOURS[method], alpha=0.1, linewidth=0)
    axes.plot(100 * GRID[there], median, color=COLOURS[method])


def _network(axes: Axes, network: str) -> None:
    """What the authors published of a network, in our methods' colours; a scale of its own."""
    for method in _published():
        scores = published_scores(method)[network]
        changes = np.array(list(scores.values())) - DENSE[network]
        axes.plot(100 * np.array(list(scores)), changes, "o-", color=COLOURS[method], markersize=2)
    axes.set_title(f"{TITLES[network]}\n(the authors' runs)", fontsize=6)
    axes.set_ylabel(f"{SCORES[network]} − dense")


def _published() -> list[str]:
    """The methods that the authors have runs of, but for those that are another one's with other settings."""
    return [method for method in COLOURS if any(published_scores(method).values()) and method not in VARIANTS]
