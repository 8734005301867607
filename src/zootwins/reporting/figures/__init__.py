"""Figures: one module each, with a function that takes data and returns a matplotlib Figure.

Accuracies and sparsities are fractions in the data and percent on the axes. Colours are those that people with any
colour vision can distinguish; every method has a colour and a marker of its own in all figures (`looks`).
"""

import json
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zootwins.storage.files import replacing

STYLE = Path(__file__).with_name("zootwins.mplstyle")
COLUMN = 3.4  # width of a paper column, inches
ORIGINAL, QUIET = "#000000", "#555555"


BANDS = ((0.0, 1.0, 0.12), (0.1, 0.9, 0.2), (0.25, 0.75, 0.3))  # quantiles and opacity, widest first


def styled(function: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw with the style sheet and without a display, whatever the session has set."""

    @wraps(function)
    def draw(*args, **kwargs) -> Figure:
        with mpl.rc_context(), plt.style.context(["default", STYLE]):
            mpl.rcParams["backend"] = "agg"
            figure = function(*args, **kwargs)
            plt.close(figure)  # out of pyplot's list, which would keep it for ever; the caller's is not touched
            return figure

    return draw


def save(figure: Figure, paths: Iterable[str], origin: Mapping[str, str]) -> None:
    """Write a figure in the format of each path's suffix, its origin in the metadata where the format has a place."""
    text = json.dumps(origin)
    places = {".pdf": {"Keywords": text, "CreationDate": None}, ".svg": {"Description": text, "Date": None}}
    with mpl.rc_context(), plt.style.context(["default", STYLE]):
        for path in map(Path, paths):
            with replacing(path) as temporary:
                metadata = places.get(path.suffix, {"Description": text})
                figure.savefig(temporary, format=path.suffix[1:], metadata=metadata)


def fan(axes: Axes, x: np.ndarray, values: np.ndarray, colour: str) -> None:
    """Draw the distribution of `[models, points]` along x: median, quartiles, 10–90 %, and minimum to maximum."""
    for low, high, opacity in BANDS:
        bounds = np.nanquantile(values, (low, high), axis=0)
        axes.fill_between(x, *bounds, color=colour, alpha=opacity, linewidth=0)
    axes.plot(x, np.nanmedian(values, axis=0), color=colour)


def message(text: str) -> Figure:
    """Draw a figure that says why there is nothing to show."""
    figure = Figure(figsize=(COLUMN, 0.8))
    figure.text(0.5, 0.5, text, ha="center", va="center", wrap=True, color="#555555")
    return figure
