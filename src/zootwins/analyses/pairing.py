"""Two methods model by model, at the same sparsity."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from zootwins.analyses.cells import dialled, lines, shorts, texts, value_interval
from zootwins.analyses.results import ZooResults
from zootwins.analyses.tables import summary


def method_pairs(results: ZooResults) -> list[tuple[str, str]]:
    """Every two of a zoo's methods, in their order."""
    return list(combinations(results.zoo.methods, 2))


def paired_differences(results: ZooResults, method: str, against: str) -> pd.DataFrame:
    """Each model's accuracy by one method less that by another, at the other's operating points and sparsity there.

    The method's accuracies are interpolated linearly between its own operating points. NaN where the other's twin
    is sparser or less sparse than all of the model's twins.

    Returns:
        index, point, epoch (of the other method), sparsity, difference (both as fractions).
    """
    own = results.curve(method).sort_values("sparsity")
    curves = {index: part[["sparsity", "test_accuracy"]].to_numpy().T for index, part in own.groupby("index")}
    parts = []
    for index, other in results.curve(against).groupby("index"):
        matched = np.interp(other["sparsity"], *curves[index], left=np.nan, right=np.nan)
        parts.append(other[["index", "point", "epoch", "sparsity"]].assign(difference=matched - other["test_accuracy"]))
    return pd.concat(parts, ignore_index=True)


def paired_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Mean paired difference in points at each of the second method's operating points, by pair of methods.

    With Wilcoxon's signed-rank test; positive: the first method is better, `better` is the share of models for which
    it is. A point that none of the first method's twins are about as sparse as has a row without models.
    """
    rows = []
    for results in zoos:
        for method, against in method_pairs(results):
            differences = paired_differences(results, method, against).dropna()
            for point in results.milestones(against):
                part = differences[np.isclose(differences["point"], point.value)]
                if point.epoch == 0:
                    continue
                values = part["difference"]
                rows.append(
                    {
                        "zoo": results.zoo.id,
                        "method": method,
                        "against": against,
                        "point": point.value,
                        "sparsity": 100 * part["sparsity"].mean(),
                        **summary(values),
                        "better": 100 * (values > 0).mean(),
                        "p": wilcoxon(values),
                    }
                )
    columns = ["zoo", "method", "against", "point", "sparsity", "mean", "std", "models", "low", "high", "better", "p"]
    return pd.DataFrame(rows, columns=columns)


def wilcoxon(differences: pd.Series) -> float:
    """p-value of Wilcoxon's signed-rank test; 1 where nothing differs, NaN where there is nothing."""
    if differences.empty:
        return np.nan
    return float(stats.wilcoxon(differences).pvalue) if differences.any() else 1.0


def arrange_pairs(table: pd.DataFrame) -> pd.DataFrame:
    """A line a zoo, pair of methods and operating point of the second."""
    pairs = shorts(table["method"]) + " − " + shorts(table["against"])
    return lines(
        {"Zoo": table["zoo"], "Methods": pairs, "At": dialled(table["against"], table["point"])},
        {
            "n": texts(table["models"]),
            "Sparsity": texts(table["sparsity"], "{:.1f}"),
            "Difference": value_interval(table["mean"], table["low"], table["high"]),
            "std": texts(table["std"], "{:.1f}"),
            "First better": texts(table["better"], "{:.0f}"),
            "p": texts(table["p"], "{:.2g}"),
        },
    )
