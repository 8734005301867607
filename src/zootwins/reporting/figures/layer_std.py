"""The standard deviations that the paper prints of layers' sparsities, against two readings of them on our twins."""

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from zootwins.analyses.hypotheses import SPREAD
from zootwins.analyses.layer_spread import SPREADS
from zootwins.analyses.paper_comparison import PAPER_LAYERS
from zootwins.reporting.figures import COLUMN, message, styled

LAYER_COLOURS = dict(zip(PAPER_LAYERS, ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"), strict=True))
MARKERS = {"mp": "o", "vd": "^"}
READINGS = list(SPREADS)[:2]


@styled
def layer_std(table: pd.DataFrame) -> Figure:
    """One panel per reading, one point per layer and operating point; on the diagonal the reading is the paper's."""
    numbers = table[table["number"] == SPREAD]
    if numbers.empty:
        return message("No zoo of this run has layers that the paper reports.")
    figure, panels = plt.subplots(1, 2, figsize=(2 * COLUMN, COLUMN), sharex=True, sharey=True)
    limit = 1.05 * numbers[["value", "paper"]].max().max()
    for axes, reading in zip(panels, READINGS, strict=True):
        axes.plot([0, limit], [0, limit], color="#555555", linewidth=0.8)
        part = numbers[numbers["hypothesis"] == reading]
        for (method, layer), points in part.groupby(["method", "quantity"]):
            errors = (points["value"] - points["low"]).to_numpy(), (points["high"] - points["value"]).to_numpy()
            style = {"color": LAYER_COLOURS[layer], "markersize": 3, "elinewidth": 0.5, "linestyle": "none"}
            axes.errorbar(points["value"], points["paper"], xerr=errors, marker=MARKERS[method], **style)
        axes.set_title("Standard deviation " + reading.replace(", of", ",\nof"))
        axes.set_xlabel("Ours, points")
    panels[0].set_ylabel("Paper, points")
    panels[0].set_xlim(0, limit)
    panels[0].set_ylim(0, limit)
    for layer, colour in LAYER_COLOURS.items():
        panels[0].plot([], [], "s", color=colour, label=layer)
    for method, marker in MARKERS.items():
        panels[0].plot([], [], marker, color="#555555", label=method.upper())
    figure.legend(loc="outside upper center", ncols=7)
    return figure
