"""Two methods at equal sparsity: the distribution of the paired differences over the zoo's models."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zootwins.analyses.pairing import method_differences
from zootwins.analyses.results import ZooResults
from zootwins.reporting.figures import QUIET, fan, message, styled
from zootwins.reporting.figures.layout import Block, align, annotate, heading, panel_each
from zootwins.reporting.figures.looks import look_of

COLOUR = "#009E73"


@styled
def method_difference(zoos: Sequence[ZooResults]) -> Figure:
    """One panel per zoo and further method: the first method's accuracy less the other's, against the other's sparsity.

    Above 0, the first of the zoo's methods is better.
    """
    several = {results.zoo.id: results for results in zoos if len(results.zoo.methods) > 1}
    if not several:
        return message("None of the zoos has two methods.")
    blocks = [
        Block(zoo, f"{look_of(first(results)).name} less each other method: {heading(results)}", others(results))
        for zoo, results in several.items()
    ]
    figure, panels = panel_each(blocks)
    for panel in panels:
        results = several[panel.zoo]
        _panel(panel.axes[0], method_differences(results, first(results), *panel.front))
    align(panels)
    figure.supxlabel("Mean sparsity of the other method's twins, %", fontsize=7)
    figure.supylabel("Difference in accuracy, points", fontsize=7)
    return figure


def _panel(axes: Axes, differences: pd.DataFrame) -> None:
    wide = differences.pivot_table(index="index", columns="point", values="difference", dropna=False)
    sparsity = 100 * differences.groupby("point")["sparsity"].mean()
    known = differences["difference"].notna()
    covered = known.groupby(differences["point"]).all()  # all twins there are within the first method's range
    axes.axhline(0, color=QUIET, linewidth=0.8)
    if not covered.any():
        annotate(axes, "no sparsity that all twins of both methods reach")
        return
    points = covered.index[covered]
    place = sparsity[points].sort_values()
    values = 100 * wide[place.index].to_numpy(dtype=np.float64)
    fan(axes, place.to_numpy(), values, COLOUR)
    if len(place) == 1:  # a line of one point cannot be seen
        axes.plot(place, np.median(values, axis=0), "o", color=COLOUR, markersize=2.5)


def first(results: ZooResults) -> str:
    """The method that the others are compared with."""
    return next(iter(results.zoo.methods))


def others(results: ZooResults) -> tuple[str, ...]:
    """The methods that it is compared with."""
    return tuple(results.zoo.methods)[1:]
