"""A square of every two methods, a number in each cell: what the figures of pairs share."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.image import AxesImage

from zootwins.reporting.figures import NAMES

DARK = 0.45  # luminance below which a cell's text is white


def most_covered(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the sparsity at which most models have twins by both methods of a pair, the sparsest of equals."""
    models = table.groupby("sparsity")["models"].sum()
    return table[(table["sparsity"] == models[models == models.max()].index.max()) & (table["models"] > 0)]


def pair_matrix(
    axes: Axes,
    methods: Sequence[str],
    cells: Mapping[tuple[str, str], tuple[float, str]],
    norm: Normalize,
    cmap: str,
    more_columns: Sequence[str] = (),
) -> AxesImage:
    """Draw a row and a column a method, coloured by value.

    Args:
        methods: their ids.
        more_columns: words that stand for themselves, after the methods.
        cells: value and text of (row, column); a pair that is not there, or NaN, stays empty.
    """
    columns = [*methods, *more_columns]
    values = np.array([[cells.get((row, column), (np.nan, ""))[0] for column in columns] for row in methods])
    image = axes.imshow(values, cmap=cmap, norm=norm, aspect="auto")
    for row, column in np.argwhere(np.isfinite(values)):
        red, green, blue, _ = image.cmap(norm(values[row, column]))
        colour = "white" if 0.3 * red + 0.59 * green + 0.11 * blue < DARK else "black"
        text = cells[methods[row], columns[column]][1]
        axes.text(column, row, text, ha="center", va="center", fontsize=5, color=colour)
    names = [NAMES.get(column, column) for column in columns]
    axes.set_xticks(range(len(columns)), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=6)
    axes.set_yticks(range(len(methods)), names[: len(methods)], fontsize=6)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image
