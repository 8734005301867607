"""Two methods at equal sparsity: the distribution of the paired differences over the zoo's models."""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from zootwins.analyses.pairing import method_differences, method_pairs
from zootwins.analyses.results import ZooResults
from zootwins.reporting.figures import COLUMN, NAMES, fan, message, styled

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
        covered = wide.notna().all()  # points whose twins are all within the first method's range
        axes.axhline(0, color="#555555", linewidth=0.8)
        fan(axes, sparsity[covered].to_numpy(), 100 * wide.loc[:, covered].to_numpy(dtype=np.float64), COLOUR)
        axes.set_title(f"{results.zoo.title}, {NAMES[method]} − {NAMES[against]}, n = {len(wide)}", fontsize=6.5)
    figure.supxlabel("Mean sparsity of the second method's twins, %", fontsize=7)
    figure.supylabel("Difference in accuracy, points", fontsize=7)
    return figure


def first(results: ZooResults) -> str:
    """The method that the others are compared with."""
    return next(iter(results.zoo.methods))
