"""Figure 2: the distribution of a zoo over the training of its originals and over variational dropout."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from zootwins.analyses.results import ZooResults
from zootwins.reporting.figures import BANDS, COLUMN, ORIGINAL, fan, styled
from zootwins.reporting.figures.layout import annotate, heading, heading_lines, legend_above, set_heading
from zootwins.reporting.figures.looks import look_of

SPARSITY = "#009E73"


@styled
def trajectories(zoos: Sequence[ZooResults]) -> Figure:
    """One row a zoo. Left: test accuracy of the originals while trained. Right: accuracy and sparsity of VD twins."""
    height = 1.1 + 0.12 * heading_lines([results.zoo.title for results in zoos])
    size = (COLUMN, 0.25 + height * len(zoos))
    figure, grid = plt.subplots(len(zoos), 2, figsize=size, sharey="row", squeeze=False)
    for (left, right), results in zip(grid, zoos, strict=True):
        _draw(left, results.tables["history"], "test_accuracy", ORIGINAL)
        set_heading(left, heading(results))
        left.set_ylabel("%")
        left.set_ylim(0, 100)
        if "vd/scores" in results.tables:
            _draw(right, results.tables["vd/scores"], "test_accuracy", look_of("vd").colour)
            _draw(right, results.tables["vd/scores"], "sparsity", SPARSITY)
        else:
            annotate(right, "no variational dropout")
    for axes, text in zip(grid[-1], ("Epoch of original training", "Epoch of variational dropout"), strict=True):
        axes.set_xlabel(text)
    legend_above(figure, _legend(), most_columns=3)
    return figure


def _draw(axes: Axes, table: pd.DataFrame, quantity: str, colour: str) -> None:
    wide = table.pivot_table(index="index", columns="epoch", values=quantity)
    if wide.empty:  # the result.json of foreign zoos
        annotate(axes, "no accuracy recorded")
        return
    fan(axes, wide.columns.to_numpy(dtype=float), 100 * wide.to_numpy(dtype=np.float64), colour)
    axes.set_xlim(wide.columns.min(), wide.columns.max())


def _legend() -> list[Patch]:
    colours = {
        "accuracy, originals": ORIGINAL,
        "accuracy, VD twins": look_of("vd").colour,
        "sparsity, VD twins": SPARSITY,
    }
    shades = {"quartiles": BANDS[2], "10–90 %": BANDS[1], "min–max": BANDS[0]}
    opacity = np.cumsum([BANDS[0][2], BANDS[1][2], BANDS[2][2]])[::-1]  # bands lie on top of one another
    return [Patch(color=colour, label=label) for label, colour in colours.items()] + [
        Patch(color="#000000", alpha=alpha, linewidth=0, label=label)
        for label, alpha in zip(shades, opacity, strict=True)
    ]
