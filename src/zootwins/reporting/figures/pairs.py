"""Matrices of pairs of methods: differences at equal sparsity, agreement on ranks, overlap of masks."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import CenteredNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from zootwins.analyses.mask_overlap import ALL
from zootwins.analyses.results import ORIGINAL, ZooResults
from zootwins.analyses.retrained import pruning_methods
from zootwins.reporting.figures import COLUMN, message, styled
from zootwins.reporting.figures.layout import HEADING, heading, in_lines, text_width, wrapped
from zootwins.reporting.figures.looks import name_of

DARK = 0.45  # luminance below which a cell's text is white
NAMES, NUMBERS = 5.5, 5.0  # points
MANY = 9  # methods; the squares of more are two columns of a page wide

Cells = Mapping[tuple[str, str], tuple[float, str]]  # value and text by (row, column)


@styled
def equal_sparsity_comparison(zoos: Sequence[ZooResults], table: pd.DataFrame) -> Figure:
    """One panel per zoo: accuracy by the row's method less that by the column's; bold: the interval excludes 0."""
    table = _most_covered(table)
    if table.empty:
        return message("None of the zoos has two methods that are about as sparse.")

    def cells(part: pd.DataFrame) -> Cells:
        found = {}
        for row in part.itertuples():
            decided = row.low > 0 or row.high < 0
            found[row.method, row.against] = row.mean, _number(row.mean, "{:+.1f}", decided)
            found[row.against, row.method] = -row.mean, _number(-row.mean, "{:+.1f}", decided)
        return found

    norm = CenteredNorm(halfrange=table["mean"].abs().max() or 1)
    label = f"Accuracy, row − column, at {table['sparsity'].iloc[0]:g} % sparsity, points"
    return _squares(zoos, table, cells, lambda results: list(results.zoo.methods), norm, "RdBu", label)


@styled
def method_ranks(zoos: Sequence[ZooResults], table: pd.DataFrame) -> Figure:
    """One panel per zoo: above the diagonal of accuracies, below it of what originals do not explain; bold: not 0."""
    table = _most_covered(table.dropna(subset="tau"))
    if table.empty:
        return message("None of the zoos has three models whose twins are about as sparse.")

    def cells(part: pd.DataFrame) -> Cells:
        found = {}
        for row in part.to_dict("records"):
            for pair, name in (
                ((row["method"], row["against"]), "tau"),
                ((row["against"], row["method"]), "residual_tau"),
            ):
                if pair[0] != ORIGINAL:
                    decided = row[f"{name}_low"] > 0 or row[f"{name}_high"] < 0
                    found[pair] = row[name], _number(row[name], "{:.2f}", decided)
        return found

    at = f"{table['sparsity'].iloc[0]:g} % sparsity"
    label = f"Kendall's tau at {at} (top right: accuracy, bottom left: given the original)"
    return _squares(
        zoos, table, cells, lambda results: list(results.zoo.methods), Normalize(-1, 1), "PuOr", label, [ORIGINAL]
    )


@styled
def mask_overlap(zoos: Sequence[ZooResults], table: pd.DataFrame) -> Figure:
    """One panel per zoo: the mean over models of the Jaccard index over that of chance; 1: as chance has it.

    Methods that retrain the masks of another have those and are left out.
    """
    chosen = {(results.zoo.id, method) for results in zoos for method in pruning_methods(results)}
    table = table[table["layer"] == ALL]
    own = [{(row.zoo, row.method), (row.zoo, row.against)} <= chosen for row in table.itertuples()]
    table = _most_covered(table[np.array(own, dtype=bool)])
    if table.empty:
        return message("None of the zoos has two methods with masks that are about as sparse.")

    def cells(part: pd.DataFrame) -> Cells:
        found = {}
        for row in part.itertuples():
            for pair in ((row.method, row.against), (row.against, row.method)):
                found[pair] = row.over_chance, f"{row.over_chance:.1f}"
        return found

    norm = Normalize(1, max(2, table["over_chance"].max()))
    label = f"Jaccard index over chance, at {table['sparsity'].iloc[0]:g} % sparsity"
    return _squares(zoos, table, cells, pruning_methods, norm, "cividis", label)


def _most_covered(table: pd.DataFrame) -> pd.DataFrame:
    """Select the sparsity at which most models have twins by both methods of a pair, the sparsest of equals."""
    models = table.groupby("sparsity")["models"].sum()
    return table[(table["sparsity"] == models[models == models.max()].index.max()) & (table["models"] > 0)]


def _number(value: float, form: str, bold: bool) -> str:
    text = form.format(value)
    return f"$\\mathbf{{{text}}}$" if bold else text.replace("-", "−")


def _squares(
    zoos: Sequence[ZooResults],
    table: pd.DataFrame,
    cells: Callable[[pd.DataFrame], Cells],
    methods_of: Callable[[ZooResults], list[str]],
    norm: Normalize,
    cmap: str,
    label: str,
    more_columns: Sequence[str] = (),
) -> Figure:
    """Draw a square for each zoo that a table of pairs has.

    Args:
        zoos: all of them.
        table: with the columns `zoo` and what `cells` reads.
        cells: turns the rows of a zoo into values and texts.
        methods_of: the methods of a zoo, a row and a column each.
        norm: of the values.
        cmap: likewise.
        label: what the colours are.
        more_columns: words that stand for themselves, after the methods.
    """
    shown = [results for results in zoos if results.zoo.id in set(table["zoo"])]
    most = max(len(methods_of(results)) for results in shown)
    width = COLUMN if most <= MANY else 2 * COLUMN
    columns = dict.fromkeys(one for results in shown for one in (*methods_of(results), *more_columns))
    names = dict(zip(columns, in_lines(map(name_of, columns), 2, NAMES, 0.8), strict=True))
    name = max(text_width(line, NAMES) for text in names.values() for line in text.split("\n")) + 0.1
    room = width - name - 0.1
    cell = room / (most + len(more_columns))
    titles = [wrapped(heading(results, "≤"), width - name - 0.2, HEADING, "bold") for results in shown]
    rows = [len(methods_of(results)) for results in shown]
    beside = name + 0.15 * (2 + max(title.count("\n") for title in titles))  # names below and titles above a square
    size = (width, 0.6 + min(cell, 0.3) * sum(rows) + beside * len(shown))
    figure, grid = plt.subplots(len(shown), 1, figsize=size, height_ratios=rows, squeeze=False)
    for axes, results, title in zip(grid.flat, shown, titles, strict=True):
        found = cells(table[table["zoo"] == results.zoo.id])
        image = _square(axes, methods_of(results), found, norm, cmap, more_columns, names, room)
        axes.set_title(title, fontsize=HEADING)
    bar = figure.colorbar(image, ax=grid.ravel().tolist(), location="bottom", aspect=40, fraction=0.05, pad=0.02)
    bar.set_label(wrapped(label, width - 0.6, HEADING), fontsize=HEADING)
    bar.outline.set_visible(False)
    return figure


def _square(
    axes: Axes,
    methods: Sequence[str],
    cells: Cells,
    norm: Normalize,
    cmap: str,
    more_columns: Sequence[str],
    names: Mapping[str, str],
    room: float,
) -> AxesImage:
    """Draw one row and one column per method, coloured, with the numbers that fit; missing pairs stay empty."""
    columns = [*methods, *more_columns]
    cell = room / len(columns)
    values = np.array([[cells.get((row, column), (np.nan, ""))[0] for column in columns] for row in methods])
    image = axes.imshow(values, cmap=cmap, norm=norm, aspect="auto")
    places = [(row, column) for row, column in np.argwhere(np.isfinite(values))]
    numbers = {place: cells[methods[place[0]], columns[place[1]]][1] for place in places}
    fits = max((text_width(_plain(text), NUMBERS, "bold") for text in numbers.values()), default=0) < cell
    for (row, column), text in numbers.items() if fits else ():
        red, green, blue, _ = image.cmap(norm(values[row, column]))
        colour = "white" if 0.3 * red + 0.59 * green + 0.11 * blue < DARK else "black"
        axes.text(column, row, text, ha="center", va="center", fontsize=NUMBERS, color=colour)
    texts = [names[column] for column in columns]
    upright = max(text_width(line, NAMES) for text in texts for line in text.split("\n")) > 0.9 * cell
    style = {"fontsize": NAMES, "linespacing": 0.9}
    axes.set_xticks(range(len(columns)), texts, rotation=90 if upright else 0, **style)
    axes.set_yticks(range(len(methods)), texts[: len(methods)], **style)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image


def _plain(text: str) -> str:
    """Return the text of a number that is set as a formula."""
    return text.removeprefix("$\\mathbf{").removesuffix("}$")
