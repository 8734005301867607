"""Texts that fit and panels that can be read, however many methods and zoos there are and whatever their names."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from math import ceil
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path

from zootwins.analyses.results import ZooResults
from zootwins.reporting.figures import COLUMN, QUIET
from zootwins.reporting.figures.looks import look_of

OVERLAID = 6  # methods in one panel; more have a panel each, with the others behind in grey
BEHIND = "#d0d0d0"
HEADING, SMALL, LEGEND = 6.5, 6.0, 6.5  # points
_LINE = 1.25 / 72  # height of a line of text, inches per point


@cache
def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Return the width of a line of text, inches."""
    font = FontProperties(family="DejaVu Sans", size=size, weight=weight)
    return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] / 72


_WORD = re.compile(r"n [=≤] \S+|\S+ %\S*|\S+")


def wrapped(text: str, inches: float, size: float, weight: str = "normal") -> str:
    """Return a text in lines of at most so many inches; words that are longer are broken, n = 16 and 70 % are words."""
    lines = []
    for paragraph in text.split("\n"):
        line = ""
        for word in _WORD.findall(paragraph):
            while text_width(word, size, weight) > inches and len(word) > 1:
                part = len(word) - 1
                while part > 1 and text_width(word[:part], size, weight) > inches:
                    part -= 1
                lines += [line] * bool(line) + [word[:part]]
                line, word = "", word[part:]
            longer = f"{line} {word}".strip()
            if line and text_width(longer, size, weight) > inches:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return "\n".join(lines)


def in_lines(names: Iterable[str], lines: int, size: float, least: float) -> list[str]:
    """Return names in at most so many lines, which are no wider than the longest needs them and `least`, inches."""
    names, inches = list(names), least
    while any(wrapped(name, inches, size).count("\n") >= lines for name in names):
        inches += 0.1
    return [wrapped(name, inches, size) for name in names]


def panel_width(axes: Axes) -> float:
    """Return about how wide a panel is, inches; the layout engine gives it rather more."""
    return axes.get_position(original=True).width * axes.figure.bbox.width / axes.figure.dpi


def set_title(axes: Axes, text: str, size: float = HEADING) -> None:
    """Write the title of a panel, in lines that fit above it."""
    axes.set_title(wrapped(text, panel_width(axes), size, "bold"), fontsize=size)


def set_heading(axes: Axes, text: str, inches: float = COLUMN - 0.7) -> None:
    """Write the title of a row of panels above its first one, in lines that fit the figure."""
    axes.set_title(wrapped(text, inches, HEADING, "bold"), fontsize=HEADING)


def heading_lines(titles: Iterable[str]) -> int:
    """Return how many lines the longest of some headings may take, with room for what stands beside a zoo's title."""
    texts = [wrapped(f"{title}, towards 99.9 %, n = 10000", COLUMN - 0.7, HEADING, "bold") for title in titles]
    return 1 + max(text.count("\n") for text in texts)


def annotate(axes: Axes, reason: str) -> None:
    """Write into a panel why nothing is drawn in it."""
    text = wrapped(reason, 0.9 * panel_width(axes), SMALL)
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=QUIET, fontsize=SMALL)


def switch_off(axes: Iterable[Axes]) -> None:
    """Leave places of a grid empty that no panel is for."""
    for one in axes:
        one.set_axis_off()


def upright(axes: Axes, names: Sequence[str]) -> None:
    """Name the ticks 0, 1, 2 … of the x axis, upright where the names are too wide for their places."""
    room = panel_width(axes) / max(1, len(names))
    rotation = 0 if max((text_width(name, SMALL) for name in names), default=0) < 0.9 * room else 90
    axes.set_xticks(range(len(names)), names, rotation=rotation, fontsize=SMALL)


def heading(results: ZooResults, comparison: str = "=") -> str:
    """Return what stands above the panels of a zoo."""
    return f"{results.zoo.title}, n {comparison} {len(results.originals)}"


def legend_above(figure: Figure, handles: Iterable[Artist], most_columns: int = 6, **options: Any) -> None:
    """Write a legend above a figure, in as many columns as fit, and make the figure higher by it.

    Args:
        figure: with panels that its height is for.
        handles: with their labels.
        most_columns: of the legend.
        options: of the legend.
    """
    handles = list(handles)
    if not handles:
        return
    width, room = figure.get_figwidth() - 0.15, (1.5 + 0.8 + 2.0) * LEGEND / 72  # of a key, and between columns
    labels = [wrapped(handle.get_label(), width - room, LEGEND) for handle in handles]
    widths = [max(text_width(line, LEGEND) for line in label.split("\n")) + room for label in labels]
    columns = min(most_columns, len(labels))
    while columns > 1 and sum(max(part) for part in np.array_split(widths, columns)) > width:
        columns -= 1
    legend = figure.legend(handles, labels, loc="outside upper center", ncols=columns, fontsize=LEGEND, **options)
    height = figure.get_figheight()
    figure.set_figheight(height + legend.get_window_extent().height / figure.dpi)
    for text in figure.texts:
        if text.get_rotation() == 90:  # the label of the y axes, which is in the middle of the panels
            text.set_y(0.5 * height / figure.get_figheight())


def method_handles(methods: Iterable[str], linestyle: str = "-") -> list[Line2D]:
    """Return the keys of some methods for a legend."""
    looks = map(look_of, methods)
    return [Line2D([], [], **look.line, linestyle=linestyle, label=look.name) for look in looks]


def facet_handles(facets: Iterable[str], lines: Iterable[str]) -> list[Line2D]:
    """Return the keys of facets that are drawn into the same panels with different lines."""
    return [Line2D([], [], color=QUIET, linestyle=line, label=facet) for facet, line in zip(facets, lines, strict=True)]


@dataclass(frozen=True)
class Block:
    """A zoo in a figure: its id, what stands above its panels, and the methods to draw."""

    zoo: str
    heading: str
    methods: tuple[str, ...]


@dataclass(frozen=True)
class Panel:
    """Where methods of a zoo are drawn.

    Attributes:
        zoo: its id.
        axes: one for each facet; the same ones where each method has a panel of its own.
        front: the methods to draw.
        behind: those to draw in grey, for comparison.
    """

    zoo: str
    axes: tuple[Axes, ...]
    front: tuple[str, ...]
    behind: tuple[str, ...] = ()

    @property
    def is_own(self) -> bool:
        """Whether it is the panel of one of many methods."""
        return bool(self.behind)


def blocks_of(
    zoos: Sequence[ZooResults], methods_of: Callable[[ZooResults], Iterable[str]], comparison: str = "="
) -> list[Block]:
    """Return the blocks of the zoos that have methods to draw; `comparison`: see `heading`."""
    blocks = [Block(one.zoo.id, heading(one, comparison), tuple(methods_of(one))) for one in zoos]
    return [block for block in blocks if block.methods]


def method_panels(
    blocks: Sequence[Block], height: float, facets: Sequence[str] = ("",), columns: int = 1
) -> tuple[Figure, list[Panel]]:
    """Return a figure with the panels of zoos and their methods; those of a zoo share axes, see `align` for all.

    Up to `OVERLAID` methods are in one panel per zoo and facet; more have a panel each, all facets in it.

    Args:
        blocks: at least one.
        height: of a panel of several methods, inches.
        facets: what is drawn of each method, in words; "" of a single one.
        columns: of zoos beside each other, where there is one facet.
    """
    if max(len(block.methods) for block in blocks) > OVERLAID:
        return panel_each(blocks, facets=len(facets))
    columns = len(facets) if len(facets) > 1 else min(columns, len(blocks))
    rows = ceil(len(blocks) * len(facets) / columns)
    titles = [wrapped(block.heading, 2.6 / columns * len(facets), HEADING, "bold") for block in blocks]
    lines = 1 + max(title.count("\n") for title in titles)
    figure, grid = plt.subplots(
        rows, columns, figsize=(COLUMN, 0.35 + rows * (height + lines * HEADING * _LINE)), sharex="col", sharey=True,
        squeeze=False,
    )  # fmt: skip
    cells = grid.reshape(-1, len(facets))
    switch_off(cells[len(blocks) :].flat)
    _label_lowest(grid, len(blocks) * len(facets))
    for row, title in zip(cells, titles, strict=False):
        row[0].set_title(title, fontsize=HEADING)
    for axes, facet in zip(grid[-1] if facets[0] else (), facets, strict=False):
        axes.set_xlabel(facet)
    return figure, [Panel(block.zoo, tuple(row), block.methods) for row, block in zip(cells, blocks, strict=False)]


def panel_each(
    blocks: Sequence[Block], notes: Mapping[str, Sequence[str]] | None = None, facets: int = 1
) -> tuple[Figure, list[Panel]]:
    """Return a figure with a panel for each method of each zoo.

    Args:
        blocks: at least one.
        notes: by zoo, what to write above each panel beside the method's name.
        facets: how often a panel stands among its own axes.
    """
    most = max(len(block.methods) for block in blocks)
    columns = min(3, max(2, most)) if most <= 9 else 4
    width = (COLUMN - 0.5) / columns - 0.08
    titles = [wrapped(block.heading, COLUMN - 0.2, HEADING, "bold") for block in blocks]
    names = [
        [
            "\n".join(wrapped(text, width, SMALL, "bold") for text in filter(None, (look_of(method).name, note)))
            for method, note in zip(block.methods, (notes or {}).get(block.zoo, repeat("")), strict=False)
        ]
        for block in blocks
    ]
    heights = [_height(title, own, columns) for title, own in zip(titles, names, strict=True)]
    figure = plt.figure(figsize=(COLUMN, sum(heights) + 0.2))
    parts = np.ravel(figure.subfigures(len(blocks), 1, height_ratios=heights))
    panels: list[Panel] = []
    for part, block, title, own in zip(parts, blocks, titles, names, strict=True):
        part.suptitle(title, x=0.01, ha="left", weight="bold", fontsize=HEADING)
        grid = part.subplots(ceil(len(own) / columns), columns, sharex=True, sharey=True, squeeze=False)
        switch_off(grid.flat[len(own) :])
        _label_lowest(grid, len(own))
        for axes, method, name in zip(grid.flat, block.methods, own, strict=False):
            axes.set_title(name, fontsize=SMALL)
            others = tuple(other for other in block.methods if other != method)
            panels.append(Panel(block.zoo, (axes,) * facets, (method,), others))
    return figure, panels


def align(panels: Sequence[Panel]) -> None:
    """Give all panels the same limits; those of one zoo share their axes anyway.

    (Axes that several subfigures share would draw the whole figure whenever their limits change.)
    """
    firsts = list({panel.zoo: axes for panel in reversed(panels) for axes in reversed(panel.axes)}.values())
    for limits, set_limits in (("get_xlim", "set_xlim"), ("get_ylim", "set_ylim")):
        # an axis without data has no limits of its own
        ends = [getattr(axes, limits)() for axes in firsts if np.isfinite(axes.dataLim.get_points()).all()]
        for axes in firsts if ends and len(firsts) > 1 else ():
            getattr(axes, set_limits)(min(low for low, _ in ends), max(high for _, high in ends))


def _height(title: str, names: Sequence[str], columns: int) -> float:
    """Return the height of a block with a panel for each name, inches."""
    rows = [names[start : start + columns] for start in range(0, len(names), columns)]
    lines = sum(1 + max(name.count("\n") for name in row) for row in rows)
    height = 1.0 if columns == 2 else 0.72
    return (1 + title.count("\n")) * HEADING * _LINE + 0.25 + lines * SMALL * _LINE + height * len(rows)


def _label_lowest(grid: np.ndarray, count: int) -> None:
    """Label the x axis of panels that have an empty place below them."""
    for axes in grid.flat[max(0, count - grid.shape[1]) : count]:
        axes.tick_params(labelbottom=True)
