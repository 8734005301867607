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
from zootwins.reporting.figures import COLUMN, QUIET, message, styled
from zootwins.reporting.figures.layout import (
    OVERLAID,
    SMALL,
    annotate,
    heading,
    legend_above,
    method_handles,
    set_heading,
    set_title,
)
from zootwins.reporting.figures.looks import look_of
from zootwins.sparsifiers.registry import REGISTRY

GRID = np.arange(0.3, 0.985, 0.01)
MARKED = 10  # points of the grid from marker to marker
LEAST = 0.5  # share of the models that has to be as sparse for a line to be drawn
FAINT_UP_TO = 50  # models: with more, their lines would be one area


@styled
def sparsity_tradeoff(zoos: Sequence[ZooResults]) -> Figure:
    """One panel per zoo: accuracy less the original's between a model's own operating points, over models.

    Changes, because models that no setting makes as sparse drop out along a line, and their originals with them. Of
    many methods the medians alone: figure 5 has the models.
    """
    zoos = [results for results in zoos if results.zoo.methods]
    if not zoos:
        return message("None of the zoos has a method.")
    few = max(len(results.zoo.methods) for results in zoos) <= OVERLAID
    height = 2.1 if few else 2.9
    figure = plt.figure(figsize=(COLUMN, 1.8 + height * len(zoos)))
    grid = figure.add_gridspec(len(zoos) + 1, len(DENSE), height_ratios=[height] * len(zoos) + [1.6])
    panels = [figure.add_subplot(grid[row, :]) for row in range(len(zoos))]
    networks = [figure.add_subplot(grid[-1, column]) for column in range(len(DENSE))]
    for axes, results in zip(panels, zoos, strict=True):
        drawn = [_method(axes, results, method, number, few) for number, method in enumerate(results.zoo.methods)]
        if not any(drawn):
            annotate(axes, f"fewer than {LEAST:.0%} of the models have twins between 30 and 98 % sparsity")
        set_heading(axes, heading(results))
        axes.set_ylabel("Accuracy − original's, points")
    for axes, network in zip(networks, DENSE, strict=True):
        _network(axes, network)
    for axes in (*panels, *networks):
        axes.axhline(0, color=QUIET, linewidth=0.6, linestyle="--")
        axes.set_xlim(100 * GRID[0], 100)
    figure.supxlabel("Sparsity, %", fontsize=7)
    what = [Line2D([], [], color=QUIET, label="median")]
    if few:
        what.append(Patch(color=QUIET, alpha=0.25, linewidth=0, label="10 to 90 %"))
        what.append(Line2D([], [], color=QUIET, linewidth=0.4, label="a model"))
    methods = [method for results in zoos for method in results.zoo.methods]
    legend_above(figure, [*method_handles(dict.fromkeys((*methods, *_published()))), *what])
    return figure


def _method(axes: Axes, results: ZooResults, method: str, number: int, with_models: bool) -> bool:
    """Draw the curve of a method, the n-th of its zoo; False where too few models are as sparse."""
    accuracies = at_sparsity(results.curve(method), GRID)
    originals = results.originals["test_accuracy"].reindex(accuracies.index)
    changes = 100 * accuracies.sub(originals, axis=0).to_numpy(dtype=float)  # [models, sparsities]
    there = np.isfinite(changes).sum(axis=0) >= max(1, LEAST * len(changes))
    if not there.any():
        return False
    look = look_of(method)
    low, median, high = np.nanquantile(changes[:, there], (0.1, 0.5, 0.9), axis=0)
    if with_models and len(changes) <= FAINT_UP_TO:
        axes.plot(100 * GRID, changes.T, color=look.colour, linewidth=0.3, alpha=0.15)
    if with_models:
        axes.fill_between(100 * GRID[there], low, high, color=look.colour, alpha=0.1, linewidth=0)
    marks = (number % MARKED, MARKED)  # markers of different methods at different places
    axes.plot(100 * GRID[there], median, **look.line, markersize=2.5, markevery=marks, linewidth=1)
    return True


def _network(axes: Axes, network: str) -> None:
    """Draw what the authors published of a network, in our methods' colours, on a scale of its own."""
    for method in _published():
        scores = published_scores(method)[network]
        changes = np.array(list(scores.values())) - DENSE[network]
        axes.plot(100 * np.array(list(scores)), changes, **look_of(method).line, markersize=2)
    set_title(axes, f"{TITLES[network]} (the authors' runs)", size=SMALL)
    axes.set_ylabel(f"{SCORES[network]} − dense")


def _published() -> list[str]:
    """Return the methods that the authors ran, except those that are another method with other settings."""
    return [method for method in REGISTRY if any(published_scores(method).values()) and method not in VARIANTS]
