"""Two methods at equal sparsity: the distribution of the paired differences over the zoo's models."""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from zootwins.analyses.pairing import method_differences, method_pairs
from zootwins.analyses.results import ZooResults
from zootwins.reporting.figures import COLUMN, NAMES, annotate, fan, message, styled

COLOUR = "#009E73"


@styled
def method_difference(zoos: Sequence[ZooResults]) -> Figure:
    """A panel a zoo and further method: the first method's accuracy less the other's, against the other's sparsity.

    Above 0, the first of the zoo's methods is better.
    """
    shown = [(results, *pair) for results in zoos for pair in method_pairs(results) if pair[0] == first(results)]
    if not shown:
        return message("None of the zoos has two methods.")
    figure, grid = plt.subplots(len(shown), 1, figsize=(COLUMN, 0.4 + 1.15 * len(shown)), sharex=True, squeeze=False)
    for axes, (results, method, against) in zip(grid.flat, shown, strict=True):
        differences = method_differences(results, method, against)
        wide = differences.pivot_table(index="index", columns="point", values="difference", dropna=False)
        sparsity = 100 * differences.groupby("point")["sparsity"].mean()
        known = differences["difference"].notna()
        covered = known.groupby(differences["point"]).all()  # all twins there are within the first method's range
        axes.axhline(0, color="#555555", linewidth=0.8)
        if covered.any():
            shown_points = covered.index[covered]
            values = 100 * wide[shown_points].to_numpy(dtype=np.float64)
            fan(axes, sparsity[shown_points].to_numpy(), values, COLOUR)
        else:
            annotate(axes, "no sparsity that all twins of both methods reach")
        axes.set_title(f"{results.zoo.title}, {NAMES[method]} − {NAMES[against]}, n = {len(wide)}", fontsize=6.5)
    figure.supxlabel("Mean sparsity of the second method's twins, %", fontsize=7)
    figure.supylabel("Difference in accuracy, points", fontsize=7)
    return figure


def first(results: ZooResults) -> str:
    """The method that the others are compared with."""
    return next(iter(results.zoo.methods))
