"""How far a population keeps its order along a method's sweep parameter: Kendall's tau-b of its accuracies."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from zootwins.analyses.cells import shorts, sweep_texts, texts, value_interval
from zootwins.analyses.correlation import kendall
from zootwins.analyses.results import ZooResults

ORIGINAL, BEFORE = "original", "before"
COLUMNS = ["zoo", "method", "point", "against", "sparsity", "models", "tau", "low", "high", "p"]


def rank_stability_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Return one row per zoo, method, operating point and what it is compared with.

    `against` is `original`, the dense models' test accuracy, or `before`, that of the same models' twins at the
    operating point before. `point` is the value of the method's sweep parameter, `sparsity` the twins' mean in percent.
    Tau is NaN where accuracies are all equal or fewer than three.
    """
    rows = []
    for results in zoos:
        for method in results.zoo.methods:
            before = None
            for point in results.milestones(method):
                scores = results.at(method, point)
                held = {ORIGINAL: results.originals["test_accuracy"], BEFORE: before}
                row = {"zoo": results.zoo.id, "method": method, "point": point.value}
                row |= {"sparsity": 100 * scores["sparsity"].mean(), "models": len(scores)}
                rows += [
                    row | {"against": against} | _tau(scores["test_accuracy"], accuracy)
                    for against, accuracy in held.items()
                    if accuracy is not None
                ]
                before = scores["test_accuracy"]
    return pd.DataFrame(rows, columns=COLUMNS)


def _tau(accuracy: pd.Series, other: pd.Series) -> dict[str, float]:
    tau = kendall(accuracy.to_numpy(), other.reindex(accuracy.index).to_numpy(dtype=np.float64))
    return {"tau": tau.value, "low": tau.low, "high": tau.high, "p": tau.p}


def arrange_rank_stability(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, method and operating point; what it is compared with from left to right."""
    keys = {
        "Zoo": table["zoo"],
        "Method": shorts(table["method"]),
        "At": sweep_texts(table["method"], table["point"]),
        "n": texts(table["models"]),
    }
    headings = {ORIGINAL: "τ with the originals", BEFORE: "τ with the twins at the point before"}
    cell = value_interval(table["tau"], table["low"], table["high"], "{:.2f}")
    long = pd.DataFrame({**keys, "against": table["against"].map(headings), "text": cell})
    grid = long.pivot_table("text", list(keys), "against", aggfunc="first", sort=False, fill_value="–")
    return grid[[heading for heading in headings.values() if heading in grid]].rename_axis(columns=None)
