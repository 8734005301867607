"""MP against VD, model by model, at the same sparsity."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from zootwins.analyses.cells import lines, texts, value_interval
from zootwins.analyses.results import ZooResults
from zootwins.analyses.tables import TABLE6_EPOCHS, summary


def paired_differences(results: ZooResults) -> pd.DataFrame:
    """Each model's MP accuracy less its VD accuracy, at every VD epoch and at the VD twin's sparsity there.

    MP is run at fixed ratios: its accuracy after fine-tuning is interpolated linearly between them. NaN where the
    VD twin is sparser than the sparsest MP twin.

    Returns:
        index, epoch, sparsity, difference, as fractions.
    """
    mp = results.tables["mp"].query("epoch == @results.zoo.magnitude_pruning.epochs").sort_values("ratio")
    curves = {index: part[["sparsity", "test_accuracy"]].to_numpy().T for index, part in mp.groupby("index")}
    parts = []
    for index, vd in results.tables["vd"].groupby("index"):
        sparsity, accuracy = curves[index]
        matched = np.interp(vd["sparsity"], sparsity, accuracy, right=np.nan)
        parts.append(vd[["index", "epoch", "sparsity"]].assign(difference=matched - vd["test_accuracy"]))
    return pd.concat(parts, ignore_index=True)


def paired_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Mean paired difference by VD epoch in points, with Wilcoxon's signed-rank test; positive: MP is better."""
    rows = []
    for results in zoos:
        if len(results.zoo.methods) < 2:
            continue
        differences = paired_differences(results).dropna()
        for epoch in TABLE6_EPOCHS[1:]:
            part = differences[differences["epoch"] == epoch]
            if part.empty:
                continue
            values = part["difference"]
            rows.append(
                {
                    "zoo": results.zoo.id,
                    "epoch": epoch,
                    "sparsity": 100 * part["sparsity"].mean(),
                    **summary(values),
                    "mp_better": 100 * (values > 0).mean(),
                    "p": stats.wilcoxon(values).pvalue if values.any() else 1.0,
                }
            )
    columns = ["zoo", "epoch", "sparsity", "mean", "std", "models", "low", "high", "mp_better", "p"]
    return pd.DataFrame(rows, columns=columns)


def arrange_pairs(table: pd.DataFrame) -> pd.DataFrame:
    """A line a zoo and VD epoch."""
    return lines(
        {"Zoo": table["zoo"], "VD epoch": table["epoch"]},
        {
            "n": texts(table["models"]),
            "Sparsity": texts(table["sparsity"], "{:.1f}"),
            "MP − VD": value_interval(table["mean"], table["low"], table["high"]),
            "std": texts(table["std"], "{:.1f}"),
            "MP better": texts(table["mp_better"], "{:.0f}"),
            "p": texts(table["p"], "{:.2g}"),
        },
    )
