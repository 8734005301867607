"""MP against VD at equal sparsity: the distribution of the paired differences over the zoo's models."""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from zootwins.analyses.pairing import paired_differences
from zootwins.analyses.results import ZooResults
from zootwins.reporting.figures import COLUMN, fan, message, styled

COLOUR = "#009E73"


@styled
def paired_difference(zoos: Sequence[ZooResults]) -> Figure:
    """A panel a zoo: MP less VD accuracy against the mean sparsity of the VD epochs; above 0, MP is better."""
    shown = [results for results in zoos if len(results.zoo.methods) == 2]
    if not shown:
        return message("None of the zoos has both methods.")
    figure, grid = plt.subplots(len(shown), 1, figsize=(COLUMN, 0.4 + 1.15 * len(shown)), sharex=True, squeeze=False)
    for axes, results in zip(grid.flat, shown, strict=True):
        differences = paired_differences(results)
        wide = differences.pivot_table(index="index", columns="epoch", values="difference", dropna=False)
        sparsity = 100 * differences.groupby("epoch")["sparsity"].mean()
        covered = wide.notna().all()  # epochs whose twins are all within MP's range
        axes.axhline(0, color="#555555", linewidth=0.8)
        fan(axes, sparsity[covered].to_numpy(), 100 * wide.loc[:, covered].to_numpy(dtype=np.float64), COLOUR)
        axes.set_title(f"{results.zoo.title}, n = {len(wide)}", fontsize=6.5)
    figure.supxlabel("Mean sparsity of the VD twins, %", fontsize=7)
    figure.supylabel("MP − VD accuracy, points", fontsize=7)
    return figure
