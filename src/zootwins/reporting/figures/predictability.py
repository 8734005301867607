"""How well a dense model predicts its twin's accuracy: cross-validated R² of three predictors."""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from zootwins.analyses.predictability import predictability_table
from zootwins.analyses.results import ZooResults
from zootwins.reporting.figures import COLUMN, NAMES, message, styled

PREDICTORS = {"original_accuracy": "original accuracy", "weight_statistics": "weight statistics", "both": "both"}
FLOOR = -1.0  # R² below this is shown as an arrow at the edge


@styled
def predictability(zoos: Sequence[ZooResults]) -> Figure:
    """A line a zoo and method; points with 95 % bootstrap intervals. 0: no better than the mean; 1: perfect."""
    table = predictability_table(zoos)
    table = table[table["original_accuracy_r2"].notna()]
    if table.empty:
        return message("No zoo has enough models with different twin accuracies for cross-validation.")
    titles = {results.zoo.id: results.zoo.title for results in zoos}
    figure, axes = plt.subplots(figsize=(COLUMN, 0.7 + 0.42 * len(table)))
    lines = np.arange(len(table))
    for offset, (name, label) in zip((-0.22, 0, 0.22), PREDICTORS.items(), strict=True):
        value, low, high = (table[f"{name}_{suffix}"].to_numpy() for suffix in ("r2", "low", "high"))
        shown, low = np.maximum(value, FLOOR), np.maximum(low, FLOOR)
        bars = [shown - low, np.maximum(high, FLOOR) - shown]
        points = axes.errorbar(shown, lines + offset, xerr=bars, fmt="o", elinewidth=0.8, label=label)
        outside = value < FLOOR
        axes.plot(shown[outside], (lines + offset)[outside], "<", color=points[0].get_color())
    axes.set_yticks(
        lines,
        [f"{titles[row.zoo]}\n{NAMES[row.method]}, n = {row.models}" for row in table.itertuples()],
    )
    axes.invert_yaxis()
    axes.axvline(0, color="#555555", linewidth=0.8)
    axes.set_xlim(FLOOR - 0.05, 1.05)
    axes.set_xlabel("Cross-validated R² of twin accuracy")
    figure.legend(loc="outside upper center", ncols=3)
    return figure
