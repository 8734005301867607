"""Do twins gain more where linear transfer falls further behind full transfer, as the reference's do?"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zootwins.analyses.intervals import mean_interval
from zootwins.analyses.results import ZooResults
from zootwins.experiments.transfer.outcomes import main_outcomes
from zootwins.reporting.figures import COLUMN, message, styled
from zootwins.reporting.figures.transfer import colour_of, has_transfer, legend
from zootwins.reporting.figures.transfer_models import default_twins


@styled
def transfer_difficulty(zoos: Sequence[ZooResults]) -> Figure:
    """A panel a zoo, a point a task and method: change of twins nearest to 85 % sparsity below the head, linear.

    Difficulty is what full transfer adds to the controls' accuracy; bars are 95 % intervals over the models.
    """
    if not has_transfer(zoos):
        return message("None of the zoos was transferred.")
    figure, grid = plt.subplots(len(zoos), 1, figsize=(COLUMN, 0.6 + 1.5 * len(zoos)), squeeze=False)
    shown: dict[str, None] = {}
    for axes, results in zip(grid[:, 0], zoos, strict=True):
        table = main_outcomes(results)
        axes.axhline(0, color="#555555", linewidth=0.8)
        axes.set_title(f"{results.zoo.title}, n = {table['index'].nunique()}", fontsize=6.5)
        for number, (task, part) in enumerate(table.groupby("task", sort=False)):
            shown |= _task(axes, task, part, number)
        axes.margins(x=0.25, y=0.35)
        left, right = axes.get_xlim()
        axes.set_xlim(min(left, right - 4), max(right, left + 4))  # equal tasks are not to look far apart
        axes.xaxis.set_major_formatter("{x:g}")
    figure.supxlabel("Difficulty: full less linear transfer of the controls, points", fontsize=7)
    figure.supylabel("Twin less control, linear, points", fontsize=7)
    legend(figure, list(shown), "none")
    return figure


def _task(axes: Axes, task: str, part: pd.DataFrame, number: int) -> dict[str, None]:
    """The points of a task, under its name; the methods among them."""
    dense = part[part["is_control"]].groupby("mode")["accuracy"].mean()
    if not {"linear", "full"} <= set(dense.index):
        return {}
    difficulty, shown = 100 * (dense["full"] - dense["linear"]), {}
    for method, own in default_twins(part[part["mode"] == "linear"]).groupby("method", sort=False):
        shown[method] = None
        change = 100 * own["change"].to_numpy()
        low, high = mean_interval(change)
        axes.errorbar(
            difficulty, change.mean(), yerr=np.nan_to_num([[change.mean() - low], [high - change.mean()]]),
            color=colour_of(method), marker="o", markersize=3, elinewidth=0.6, linestyle="none",
        )  # fmt: skip
    axes.annotate(
        task, (difficulty, 0.02 + 0.08 * (number % 2)), xycoords=("data", "axes fraction"), fontsize=5.5, ha="center"
    )
    return shown
