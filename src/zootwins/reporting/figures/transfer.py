"""Transfer: what networks lose on other tasks, model by model, and whether it depends on how good they were."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from zootwins.analyses.intervals import interval, mean_interval
from zootwins.analyses.results import ZooResults
from zootwins.analyses.statistics import kendall_tau
from zootwins.catalogue.candidates import KINDS, ORIGINAL, RANDOM, SCRATCH, UNTRAINED
from zootwins.experiments.transfer.outcomes import error_increase, main_outcomes, method_name
from zootwins.experiments.transfer.transfer_findings import nearest_point
from zootwins.reporting.figures import COLUMN, QUIET, message, styled
from zootwins.reporting.figures import ORIGINAL as BLACK
from zootwins.reporting.figures.layout import (
    HEADING,
    OVERLAID,
    SMALL,
    annotate,
    legend_above,
    panel_width,
    set_heading,
    text_width,
    wrapped,
)
from zootwins.reporting.figures.looks import look_of

KIND_LOOKS = {  # colour and marker of networks that are not twins
    ORIGINAL: {"color": BLACK, "marker": "D"},
    RANDOM: {"color": "#777777", "marker": "s"},
    SCRATCH: {"color": "#009E73", "marker": "^"},
    UNTRAINED: {"color": "#B8860B", "marker": "v"},
}
MODES = ("linear", "full")
TICKS = (-80, -20, -10, 0, 10, 20, 80, 320, 1280)
NO_TRANSFER = "None of the zoos was transferred."
NOT_DONE = "not transferred in this mode"
Panel = tuple[Axes, str, pd.DataFrame]  # with its mode, and the rows of `outcomes`


@styled
def transfer(zoos: Sequence[ZooResults]) -> Figure:
    """Increase in error relative to the controls, one line per method: means with 95 % intervals over the models.

    The axis is logarithmic beyond ±20 %, so that networks from scratch have a place.
    """
    if not _has_transfer(zoos):
        return message(NO_TRANSFER)
    figure, each = _panels(zoos, 1.2)
    shown: dict[str, None] = {}
    for axes, _, part in each:
        axes.axhline(0, color=QUIET, linewidth=0.8)
        networks = part[~part["is_control"]]
        for method, network in networks.groupby("method", sort=False):
            shown[method] = None
            _curve(axes, method, network)
        if networks.empty:
            annotate(axes, NOT_DONE)
        axes.set_yscale("symlog", linthresh=20, linscale=1.5)
        low, high = axes.get_ylim()
        axes.set_yticks(TICKS, [f"{tick:g}" for tick in TICKS])
        axes.set_yticks([], minor=True)
        axes.set_ylim(min(low, -10), max(high, 10))  # ticks beyond them would widen them
        axes.set_xlim(-4, 102)
    figure.supxlabel("Pruned weights below the head, %", fontsize=7)
    figure.supylabel("Increase in error over the control, %", fontsize=7)
    legend_above(figure, _handles(shown, "-"))
    return figure


@styled
def transfer_models(zoos: Sequence[ZooResults]) -> Figure:
    """Accuracy on the task of the default twins against that of their controls; the line is equality."""
    if not _has_transfer(zoos):
        return message(NO_TRANSFER)
    figure, each = _panels(zoos, 1.1)
    shown: dict[str, None] = {}
    for axes, _, part in each:
        twins = _default_twins(part)
        for method, own in twins.groupby("method", sort=False):
            shown[method] = None
            _dots(axes, method, own, "control")
        if len(twins):
            middle = 100 * twins["control"].mean()
            axes.axline((middle, middle), slope=1, color=QUIET, linewidth=0.8)
        else:
            annotate(axes, NOT_DONE)
    figure.supxlabel("Accuracy of the control on the task, %", fontsize=7)
    figure.supylabel("Accuracy of the twin on the task, %", fontsize=7)
    equality = Line2D([], [], color=QUIET, linewidth=0.8, label="equal accuracy")
    legend_above(figure, [*_handles(shown, "none"), equality])
    return figure


@styled
def transfer_upstream(zoos: Sequence[ZooResults]) -> Figure:
    """Originals and their twins nearest to 85 % sparsity below the head, one point per model, with Kendall's τ.

    Of many methods without τ, which the table has.
    """
    if not _has_transfer(zoos):
        return message(NO_TRANSFER)
    figure, each = _panels(zoos, 1.25)
    shown: dict[str, None] = {}
    for axes, _, part in each:
        drawn = list(pd.concat([part[part["method"] == ORIGINAL], _default_twins(part)]).groupby("method", sort=False))
        for method, own in drawn:
            shown[method] = None
            _dots(axes, method, own, "upstream_accuracy")
        if not drawn:
            annotate(axes, NOT_DONE)
        for line, (method, own) in enumerate(drawn if len(drawn) <= OVERLAID else ()):
            tau = kendall_tau(own["upstream_accuracy"], own["accuracy"]) if len(own) > 1 else np.nan
            text = f"τ = {tau:.2f}" if np.isfinite(tau) else "τ: too few models, or all equal"
            place = {"transform": axes.transAxes, "va": "top", "fontsize": 5.5}
            axes.text(0.03, 0.97 - 0.1 * line, text, color=_look(method)["color"], **place)
    figure.supxlabel("Accuracy on the zoo's own test images, %", fontsize=7)
    figure.supylabel("Accuracy on the task, %", fontsize=7)
    legend_above(figure, _handles(shown, "none"))
    return figure


@styled
def transfer_difficulty(zoos: Sequence[ZooResults]) -> Figure:
    """One panel per zoo, one point per task and method: change of twins nearest to 85 % sparsity below head, linear.

    Difficulty is what full transfer adds to the controls' accuracy; bars are 95 % intervals over the models.
    """
    if not _has_transfer(zoos):
        return message(NO_TRANSFER)
    figure, grid = plt.subplots(len(zoos), 1, figsize=(COLUMN, 0.4 + 1.7 * len(zoos)), squeeze=False)
    shown: dict[str, None] = {}
    for axes, results in zip(grid[:, 0], zoos, strict=True):
        table = main_outcomes(results)
        axes.axhline(0, color=QUIET, linewidth=0.8)
        set_heading(axes, f"{results.zoo.title}, n = {table['index'].nunique()}")
        places = {task: _difficulty(part) for task, part in table.groupby("task", sort=False)}
        places = {task: difficulty for task, difficulty in places.items() if difficulty is not None}
        for task, difficulty in places.items():
            shown |= _changes(axes, difficulty, table[(table["task"] == task) & (table["mode"] == "linear")])
        _name_tasks(axes, places)
        axes.xaxis.set_major_formatter("{x:g}")
    figure.supxlabel("Difficulty: full less linear transfer of the controls, points", fontsize=7)
    figure.supylabel("Twin less control, linear, points", fontsize=7)
    legend_above(figure, _handles(shown, "none"))
    return figure


def _has_transfer(zoos: Sequence[ZooResults]) -> bool:
    """Whether there is anything to draw."""
    return any(len(main_outcomes(results)) for results in zoos)


def _look(method: str) -> dict[str, str]:
    """Return a method's colour and marker, or those of another kind of network."""
    return KIND_LOOKS[method] if method in KIND_LOOKS else look_of(method).line


def _panels(zoos: Sequence[ZooResults], height: float) -> tuple[Figure, Iterator[Panel]]:
    """Make a row of panels for each zoo and task, linear transfer on the left and full transfer on the right.

    Args:
        zoos: with the table `transfer`.
        height: of a panel, inches.
    """
    rows = [
        (results, task, part) for results in zoos for task, part in main_outcomes(results).groupby("task", sort=False)
    ]
    titles = [
        wrapped(f"{results.zoo.title}, to {task}, n = {part['index'].nunique()}", COLUMN - 0.7, HEADING, "bold")
        for results, task, part in rows
    ]
    lines = 1 + max(title.count("\n") for title in titles)
    height += 0.12 * (lines + 1)
    figure, grid = plt.subplots(len(rows), 2, figsize=(COLUMN, 0.4 + height * len(rows)), squeeze=False)

    def each() -> Iterator[Panel]:
        for axes, (_, _, part), title in zip(grid, rows, titles, strict=True):
            for panel, mode, above in zip(axes, MODES, (title, ""), strict=True):
                panel.set_title(f"{above}\n{mode}".lstrip("\n"), fontsize=HEADING)
                yield panel, mode, part[part["mode"] == mode]

    return figure, each()


def _handles(methods: Iterable[str], linestyle: str) -> list[Line2D]:
    """Return legend entries of methods and other kinds of networks."""
    return [
        Line2D([], [], **_look(method), linestyle=linestyle, markersize=3, label=method_name(method))
        for method in methods
    ]


def _default_twins(part: pd.DataFrame) -> pd.DataFrame:
    """Return the twins of each method that are nearest to 85 % sparsity below the head."""
    twins = part[~part["method"].isin(KINDS) & ~part["is_control"]]
    chosen = [own[own["point"] == nearest_point(own)] for _, own in twins.groupby("method", sort=False)]
    return pd.concat(chosen) if chosen else twins


def _dots(axes: Axes, method: str, rows: pd.DataFrame, across: str) -> None:
    """Draw one dot per model: its accuracy on the task above another quantity, both fractions."""
    style = {"linestyle": "none", "markersize": 2.5, "alpha": 0.7, "markeredgewidth": 0}
    axes.plot(100 * rows[across], 100 * rows["accuracy"], **_look(method), **style)


def _curve(axes: Axes, method: str, network: pd.DataFrame) -> None:
    points = []
    for _, part in network.groupby("point"):
        pair = (part["accuracy"].to_numpy(), part["control"].to_numpy())
        points.append([part["sparsity"].mean(), float(error_increase(*pair)), *interval(pair, error_increase)])
    sparsity, value, low, high = 100 * np.array(sorted(points)).T
    axes.errorbar(
        sparsity, value, yerr=np.nan_to_num(np.clip([value - low, high - value], 0, None)), **_look(method),
        markersize=2.5, elinewidth=0.6, linewidth=1.0, linestyle="-" if method not in KINDS else ":",
    )  # fmt: skip


def _difficulty(part: pd.DataFrame) -> float | None:
    """Return what full transfer adds to the controls' accuracy on a task, points; None where one is missing."""
    dense = 100 * part[part["is_control"]].groupby("mode")["accuracy"].mean()
    return dense["full"] - dense["linear"] if set(MODES) <= set(dense.index) else None


def _changes(axes: Axes, difficulty: float, part: pd.DataFrame) -> dict[str, None]:
    """Draw the points of a task; returns the methods among them."""
    shown = {}
    for method, own in _default_twins(part).groupby("method", sort=False):
        shown[method] = None
        change = 100 * own["change"].to_numpy()
        low, high = mean_interval(change)
        bars = np.nan_to_num([[change.mean() - low], [high - change.mean()]])
        style = {"markersize": 3, "elinewidth": 0.6, "linestyle": "none"}
        axes.errorbar(difficulty, change.mean(), yerr=bars, **_look(method), **style)
    return shown


def _name_tasks(axes: Axes, places: dict[str, float]) -> None:
    """Name tasks below their points, in as many lines as it takes to keep the names apart."""
    if not places:
        annotate(axes, "no task that the controls were transferred to in both modes")
        return
    width = panel_width(axes)
    names = {task: wrapped(task, width / 2, SMALL) for task in places}
    low, high = min(places.values()), max(places.values())
    reach = max(high - low, 4.0)  # equal tasks are not to look far apart
    left, right = (low + high - 2 * reach) / 2, (low + high + 2 * reach) / 2
    lines: list[list[tuple[float, float]]] = []
    for task, difficulty in sorted(places.items(), key=lambda place: place[1]):
        half = 0.55 * max(text_width(part, SMALL) for part in names[task].split("\n"))
        middle = (difficulty - left) / (right - left) * width
        free = (
            n
            for n, line in enumerate(lines)
            if all(middle - half > end or middle + half < start for start, end in line)
        )
        if (line := next(free, len(lines))) == len(lines):
            lines.append([])
        lines[line].append((middle - half, middle + half))
        axes.annotate(
            names[task], (difficulty, 0), xycoords=("data", "axes fraction"), xytext=(0, 3 + 8 * line),
            textcoords="offset points", fontsize=SMALL, ha="center", va="bottom",
        )  # fmt: skip
    axes.set_xlim(left, right)
    axes.margins(y=0.1)
    bottom, top = axes.get_ylim()
    share = min(0.6, 8 * len(lines) / 72 / 1.1)  # of the panel's height, below all points
    axes.set_ylim(bottom - (top - bottom) * share / (1 - share), top)
