"""Transfer: the relative increase in error on the task against sparsity; and what the figures of transfer share."""

from collections.abc import Iterator, Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from zootwins.analyses.intervals import interval
from zootwins.analyses.results import ZooResults
from zootwins.catalogue.candidates import KINDS, ORIGINAL, RANDOM, SCRATCH, UNTRAINED
from zootwins.experiments.transfer.outcomes import error_increase, main_outcomes, method_name
from zootwins.reporting.figures import COLOURS, COLUMN, message, styled
from zootwins.reporting.figures import ORIGINAL as BLACK

KIND_COLOURS = {ORIGINAL: BLACK, RANDOM: "#777777", SCRATCH: "#009E73", UNTRAINED: "#B8860B"}
MARKERS = {ORIGINAL: "D", RANDOM: "s", SCRATCH: "^", UNTRAINED: "v"}
MODES = ("linear", "full")
TICKS = (-80, -20, -10, 0, 10, 20, 80, 320, 1280)
Panel = tuple[Axes, str, pd.DataFrame]  # with its mode, and the rows of `outcomes`


def colour_of(method: str) -> str:
    """A method's colour in all figures, or that of another kind of network."""
    return KIND_COLOURS[method] if method in KIND_COLOURS else COLOURS[method]


def has_transfer(zoos: Sequence[ZooResults]) -> bool:
    """Whether there is anything to draw."""
    return any(len(main_outcomes(results)) for results in zoos)


def panels(zoos: Sequence[ZooResults], height: float) -> tuple[Figure, Iterator[Panel]]:
    """A row of panels for each zoo and task, linear transfer on the left and full transfer on the right.

    Args:
        zoos: with the table `transfer`.
        height: of a row, inches.
    """
    rows = [
        (results, task, part) for results in zoos for task, part in main_outcomes(results).groupby("task", sort=False)
    ]
    figure, grid = plt.subplots(len(rows), 2, figsize=(COLUMN, 0.6 + height * len(rows)), squeeze=False)

    def each() -> Iterator[Panel]:
        for axes, (results, task, part) in zip(grid, rows, strict=True):
            for panel, mode in zip(axes, MODES, strict=True):
                models = part["index"].nunique()
                title = f"{fill(results.zoo.title, 26)}\nto {task}\n{mode}, n = {models}"
                panel.set_title(title, fontsize=6)
                yield panel, mode, part[part["mode"] == mode]

    return figure, each()


def legend(figure: Figure, methods: Sequence[str], linestyle: str = "-") -> None:
    """One legend for all panels."""
    figure.legend(
        handles=[
            Line2D(
                [], [], color=colour_of(method), marker=MARKERS.get(method, "o"), linestyle=linestyle, markersize=3,
                label=method_name(method),
            )
            for method in methods
        ],
        loc="outside upper center",
        ncols=3,
    )  # fmt: skip


@styled
def transfer(zoos: Sequence[ZooResults]) -> Figure:
    """Increase in error relative to the controls, a line a method: means with 95 % intervals over the models.

    The axis is logarithmic beyond ±20 %, so that networks from scratch have a place.
    """
    if not has_transfer(zoos):
        return message("None of the zoos was transferred.")
    figure, each = panels(zoos, 1.7)
    shown: dict[str, None] = {}
    for axes, _, part in each:
        axes.axhline(0, color="#555555", linewidth=0.8)
        for method, network in part[~part["is_control"]].groupby("method", sort=False):
            shown[method] = None
            _curve(axes, method, network)
        axes.set_yscale("symlog", linthresh=20, linscale=1.5)
        low, high = axes.get_ylim()
        axes.set_yticks(TICKS, [f"{tick:g}" for tick in TICKS])
        axes.set_yticks([], minor=True)
        axes.set_ylim(min(low, -10), max(high, 10))  # ticks beyond them would widen them
        axes.set_xlim(-4, 102)
    figure.supxlabel("Pruned weights below the head, %", fontsize=7)
    figure.supylabel("Increase in error over the control, %", fontsize=7)
    legend(figure, list(shown))
    return figure


def _curve(axes: Axes, method: str, network: pd.DataFrame) -> None:
    points = []
    for _, part in network.groupby("point"):
        pair = (part["accuracy"].to_numpy(), part["control"].to_numpy())
        points.append([part["sparsity"].mean(), float(error_increase(*pair)), *interval(pair, error_increase)])
    sparsity, value, low, high = 100 * np.array(sorted(points)).T
    axes.errorbar(
        sparsity,
        value,
        yerr=np.nan_to_num(np.clip([value - low, high - value], 0, None)),
        color=colour_of(method),
        marker=MARKERS.get(method, "o"),
        markersize=2.5,
        elinewidth=0.6,
        linewidth=1.0,
        linestyle="-" if method not in KINDS else ":",
    )
