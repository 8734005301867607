"""How far a population keeps its order: Table 2, Kendall's tau-b along sweep parameters, and who changes rank."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from zootwins.analyses.cells import lines, shorts, sweep_texts, texts, value_interval
from zootwins.analyses.paper_tables import (
    METHODS,
    frame_of,
    methods_at,
    methods_beside_or_below,
    methods_with,
    suffixed,
    vd_epoch,
)
from zootwins.analyses.response import rank_change_table
from zootwins.analyses.results import BEFORE, ORIGINAL, ZooResults
from zootwins.analyses.statistics import factor_effect, kendall, pearson
from zootwins.zoos.sources import FACTORS

COLUMNS = ["zoo", "method", "point", "against", "sparsity", "models", "tau", "low", "high", "p"]


def correlation_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Make Table 2: Pearson's r and Kendall's tau-b of original and twin test accuracy, one row per zoo."""
    points = {results.zoo.id: results.operating_points("correlation") for results in zoos}
    others = methods_at(points.values())[len(METHODS) :]
    rows = []
    for results in zoos:
        if not points[results.zoo.id]:
            continue
        row = {"zoo": results.zoo.id, "vd_epoch": vd_epoch(points[results.zoo.id]), "models": 0}
        for method, point in points[results.zoo.id].items():
            row[f"{method}_point"] = point.value
            scores = results.at(method, point)
            original = results.originals["test_accuracy"].reindex(scores.index).to_numpy()
            row["models"] = max(row["models"], len(scores))
            row[f"{method}_sparsity"] = 100 * scores["sparsity"].mean()
            for name, statistic in (("pearson_r", pearson), ("kendall_tau", kendall)):
                coefficient = statistic(original, scores["test_accuracy"].to_numpy())
                row[f"{method}_{name}"] = 100 * coefficient.value
                row[f"{method}_{name}_low"] = 100 * coefficient.low
                row[f"{method}_{name}_high"] = 100 * coefficient.high
                row[f"{method}_{name}_p"] = coefficient.p
        rows.append(row)
    coefficients = [f"{method}_{name}" for method in METHODS for name in ("pearson_r", "kendall_tau")]
    columns = ["zoo", "mp_sparsity", *coefficients[:2], "vd_sparsity", *coefficients[2:], "models", "vd_epoch"]
    more = [f"{method}_{name}" for method in others for name in ("pearson_r", "kendall_tau")]
    columns += suffixed(coefficients, ("low", "high", "p")) + suffixed(others, ("point", "sparsity"))
    return frame_of(rows, columns + suffixed(more, ("",)) + suffixed(more, ("low", "high", "p")))


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
                row |= {"sparsity": 100 * scores["sparsity"].mean()}
                rows += [
                    row | {"against": against} | _tau(scores["test_accuracy"], accuracy)
                    for against, accuracy in held.items()
                    if accuracy is not None
                ]
                before = scores["test_accuracy"]
    return pd.DataFrame(rows, columns=COLUMNS)


def _tau(accuracy: pd.Series, other: pd.Series) -> dict[str, float]:
    """Return tau over the models that have both accuracies, and how many these are."""
    accuracy, other = accuracy.align(other, join="inner")
    tau = kendall(accuracy.to_numpy(), other.to_numpy(dtype=np.float64))
    return {"models": len(accuracy), "tau": tau.value, "low": tau.low, "high": tau.high, "p": tau.p}


def arrange_rank_stability(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, method and operating point; what it is compared with from left to right.

    n has a number for each comparison where these are not of as many models.
    """
    models = texts(table["models"]).groupby([table[name] for name in ("zoo", "method", "point")])
    keys = {
        "Zoo": table["zoo"],
        "Method": shorts(table["method"]),
        "At": sweep_texts(table["method"], table["point"]),
        "n": models.transform(lambda counts: ", ".join(dict.fromkeys(counts))),
    }
    headings = {ORIGINAL: "τ with the originals", BEFORE: "τ with the twins at the point before"}
    cell = value_interval(table["tau"], table["low"], table["high"], "{:.2f}")
    long = pd.DataFrame({**keys, "against": table["against"].map(headings), "text": cell})
    grid = long.pivot_table("text", list(keys), "against", aggfunc="first", sort=False, fill_value="–")
    return grid[[heading for heading in headings.values() if heading in grid]].rename_axis(columns=None)


def arrange_correlation(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo with MP beside VD, or one per zoo and method where there are others."""
    parts = {}
    for method in methods_with(table, "_pearson_r"):
        cells = {"Sparsity": texts(table[f"{method}_sparsity"], "{:.1f}")}
        for column, title in (("pearson_r", "Pearson r"), ("kendall_tau", "Kendall τ")):
            cells[title] = value_interval(*(table[f"{method}_{column}{end}"] for end in ("", "_low", "_high")))
        parts[method] = cells
    return methods_beside_or_below(table, parts)


def factor_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Test which generating factors are associated with the rank change (Kruskal and Wallis).

    Effect sizes are ε² = H / (n − 1) (Tomczak and Tomczak 2014), from 0 to 1: where a factor's levels explain all, and
    where each level has one model. k levels that explain nothing have (k − 1) / (n − 1) on average.
    `friendliest` and `hardest` are the levels with the highest and the lowest mean rank change.
    """
    rows = []
    changes = rank_change_table(zoos)
    for (zoo, method), group in changes.groupby(["zoo", "method"], sort=False):
        for factor in FACTORS:
            levels = {level: part["rank_change"].to_numpy() for level, part in group.groupby(factor)}
            if len(levels) < 2:
                continue
            means = {level: values.mean() for level, values in levels.items()}
            effect, p = factor_effect(group["rank_change"], group[factor])
            rows.append(
                {
                    "zoo": zoo,
                    "method": method,
                    "factor": factor,
                    "levels": len(levels),
                    "models": len(group),
                    "epsilon_squared": effect,
                    "p": p,
                    "friendliest": max(means, key=means.get),
                    "hardest": min(means, key=means.get),
                    "mean_change_friendliest": max(means.values()),
                    "mean_change_hardest": min(means.values()),
                }
            )
    columns = ["zoo", "method", "factor", "levels", "models", "epsilon_squared", "p", "friendliest", "hardest"]
    return pd.DataFrame(rows, columns=[*columns, "mean_change_friendliest", "mean_change_hardest"])


def arrange_factors(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, method and factor."""
    return lines(
        {"Zoo": table["zoo"], "Method": shorts(table["method"]), "Factor": table["factor"]},
        {
            "n": texts(table["models"]),
            "ε²": texts(table["epsilon_squared"], "{:.2f}"),
            "p": texts(table["p"], "{:.2g}"),
            "Friendliest": texts(table["friendliest"]) + texts(table["mean_change_friendliest"], " ({:+.1f})"),
            "Hardest": texts(table["hardest"]) + texts(table["mean_change_hardest"], " ({:+.1f})"),
        },
    )
