"""Figure 1: the workflow, drawn from its rule graph, data flowing downwards.

Layers and crossings after Sugiyama, Tagawa and Toda (1981): rules as low as what uses them allows, edges that skip a
layer reserve a place in it, places ordered by the mean position of what comes in.
"""

import re
from collections.abc import Iterable
from itertools import pairwise
from textwrap import fill

import networkx as nx
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.path import Path

from zootwins.reporting.figures import COLUMN, styled

Edge = tuple[str, str]
LETTERS = 11  # in a line of a box, where words allow
LETTER = 0.046  # width of one, inches
BOX, LINE = 0.37, 0.092  # height of a box of three lines, and of one line, inches
PAD = 0.1  # within a box, at its sides together, inches
GAP = 0.24  # between layers, inches
SPACE = 0.1  # between boxes at least, and at the sides, inches


def parse_rule_graph(dot: str) -> list[Edge]:
    """Return the edges (from, to) between rules in the output of `snakemake --rulegraph dot`, sorted.

    Snakemake lists them as its sets have them, in another order in every process; a drawing would change with it.
    """
    labels = dict(re.findall(r'^\s*(\d+)\[label = "([^"]+)"', dot, re.MULTILINE))
    return sorted((labels[a], labels[b]) for a, b in re.findall(r"^\s*(\d+) -> (\d+)", dot, re.MULTILINE))


def reduce_edges(edges: Iterable[Edge]) -> list[Edge]:
    """Return the edges that no longer way stands for (the transitive reduction of an acyclic graph), sorted."""
    others = [(before, after) for before, after in edges if before != after]  # tables are made of other tables
    return sorted(nx.transitive_reduction(nx.DiGraph(others)).edges)


def layers_of(edges: Iterable[Edge]) -> dict[str, int]:
    """Return the layer of each node, 0 at the top: as low as possible, above all that it leads to."""
    lowest_first = list(nx.topological_generations(nx.DiGraph(edges).reverse()))
    return {node: layer for layer, nodes in enumerate(reversed(lowest_first)) for node in sorted(nodes)}


@styled
def workflow_graph(edges: Iterable[Edge]) -> Figure:
    """Rules as boxes, files as arrows; arrows that a longer way stands for are left out."""
    edges = reduce_edges(edges)
    layers = layers_of(edges)
    # a way is the edge with a place in every layer that it crosses
    ways = [[a, *((a, b, level) for level in range(layers[a] + 1, layers[b])), b] for a, b in edges]
    rows: list[list] = [[] for _ in range(max(layers.values()) + 1)]
    for way in ways:
        for level, place in enumerate(way, layers[way[0]]):
            if place not in rows[level]:
                rows[level].append(place)
    width = max(COLUMN, *(SPACE + sum(_width(place) + SPACE for place in row) for row in rows))
    x = _positions(rows, ways, width)
    height = len(rows) * (BOX + GAP)
    y = {place: height - level * (BOX + GAP) - BOX / 2 for level, row in enumerate(rows) for place in row}

    figure = plt.figure(figsize=(width, height), layout="none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(GAP / 2, height + GAP / 2)
    axes.set_axis_off()
    for way in ways:
        points = [(x[way[0]], y[way[0]] - _height(way[0]) / 2)]
        for place in way[1:-1]:
            points += [(x[place], y[place] + BOX / 2), (x[place], y[place] - BOX / 2)]
        points.append((x[way[-1]], y[way[-1]] + _height(way[-1]) / 2))
        arrow = FancyArrowPatch(path=Path(points), arrowstyle="-|>", mutation_scale=5, color="#777777", linewidth=0.7)
        axes.add_patch(arrow)
    for name in layers:
        axes.text(
            x[name],
            y[name],
            _label(name),
            ha="center",
            va="center",
            fontsize=6,
            linespacing=1.1,
            bbox={"boxstyle": "round,pad=0.35", "facecolor": "#e8f1f8", "edgecolor": "#0072B2", "linewidth": 0.7},
        )
    return figure


def _label(rule: str) -> str:
    return fill(rule.replace("_", " "), LETTERS, break_long_words=False)


def _width(place: str | tuple) -> float:
    """Return the width of a rule's box, in inches; an edge that passes through a layer has none."""
    return LETTER * max(map(len, _label(place).splitlines())) + PAD if isinstance(place, str) else 0


def _height(rule: str) -> float:
    """Return the height of a rule's box, in inches; the highest are of three lines."""
    return BOX - LINE * (3 - len(_label(rule).splitlines()))


def _positions(rows: list[list], ways: list[list], width: float) -> dict:
    """Return horizontal positions, inches: evenly spaced in each row, ordered by the mean of those above."""
    x: dict = {}
    for row in rows:
        incoming = {place: [x[a] for way in ways for a, b in pairwise(way) if b == place] for place in row}
        row.sort(key=lambda place: (sum(incoming[place]) / len(incoming[place]) if incoming[place] else 0, str(place)))
        space = (width - sum(map(_width, row))) / (len(row) + 1)
        left = space
        for place in row:
            x[place] = left + _width(place) / 2
            left += _width(place) + space
    return x
