"""Pairs of methods at equal sparsity, paired by model: their differences, and whether they rank models alike."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from zootwins.analyses.cells import by_sparsity, lines, shorts, sweep_texts, texts, value_interval
from zootwins.analyses.pairing import at_sparsity, method_differences, method_pairs
from zootwins.analyses.paper_tables import summary
from zootwins.analyses.results import ORIGINAL, ZooResults
from zootwins.analyses.state_of_sparsity import SPARSITIES
from zootwins.analyses.statistics import kendall, wilcoxon

UNCOMMON = "no model has both methods' twins as sparse"
FEW = "fewer than three models, or all equal"


def paired_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Arrange the mean paired difference in points at each of the second method's operating points, by pair of methods.

    With Wilcoxon's signed-rank test; positive: the first method is better, `better` is the share of models for which
    it is. A point that none of the first method's twins are about as sparse as has a row without models.
    """
    rows = []
    for results in zoos:
        for method, against in method_pairs(results):
            differences = method_differences(results, method, against).dropna()
            for point in results.milestones(against):
                part = differences[np.isclose(differences["point"], point.value, atol=0)]
                if point.epoch == 0 and not point.at:  # the originals
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
                        "better": 100 * (values.round(9) > 0).mean(),
                        "p": wilcoxon(values),
                    }
                )
    columns = ["zoo", "method", "against", "point", "sparsity", "mean", "std", "models", "low", "high", "better", "p"]
    return pd.DataFrame(rows, columns=columns)


def arrange_pairs(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, pair of methods and operating point of the second."""
    pairs = shorts(table["method"]) + " − " + shorts(table["against"])
    return lines(
        {"Zoo": table["zoo"], "Methods": pairs, "At": sweep_texts(table["against"], table["point"])},
        {
            "n": texts(table["models"]),
            "Sparsity": texts(table["sparsity"], "{:.1f}"),
            "Difference": value_interval(table["mean"], table["low"], table["high"]),
            "std": texts(table["std"], "{:.1f}"),
            "First better": texts(table["better"], "{:.0f}"),
            "p": texts(table["p"], "{:.2g}"),
        },
    )


def matched_accuracies(results: ZooResults) -> dict[str, pd.DataFrame]:
    """Return by method each model's accuracy at each of the paper's sparsities, as `at_sparsity` returns it."""
    return {method: at_sparsity(results.curve(method), SPARSITIES) for method in results.zoo.methods}


def equal_sparsity_comparison_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Arrange the mean paired difference of pairs of methods at each sparsity, in points, over the models with both.

    Positive: the first method is better. `better` is the share of models for which it is, p that of Wilcoxon's
    signed-rank test.
    """
    rows = []
    for results in zoos:
        accuracies = matched_accuracies(results)
        for method, against in method_pairs(results):
            for sparsity in SPARSITIES:
                difference = (accuracies[method][sparsity] - accuracies[against][sparsity]).dropna()
                rows.append(
                    {
                        "zoo": results.zoo.id,
                        "method": method,
                        "against": against,
                        "sparsity": 100 * sparsity,
                        **summary(difference),
                        "better": 100 * (difference.round(9) > 0).mean(),
                        "p": wilcoxon(difference),
                        "reason": "" if len(difference) else UNCOMMON,
                    }
                )
    columns = ["zoo", "method", "against", "sparsity", "mean", "std", "models", "low", "high", "better", "p", "reason"]
    return pd.DataFrame(rows, columns=columns)


def method_ranks_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Return Kendall's tau-b over models between the twins' accuracies by two methods at the same sparsity.

    Is a model friendly to every method, or to one? The last method of a pair may be `original`: the dense models'
    accuracy. `residual_tau` (and its interval and p) takes what a linear regression on the original's accuracy leaves
    of each, so that what both methods owe to the original is gone. (Losses from the original would not do: they share
    the original's accuracy, and correlate where nothing else does.)
    """
    rows = []
    for results in zoos:
        accuracies, original = matched_accuracies(results), results.originals["test_accuracy"]
        pairs = [*method_pairs(results), *((method, ORIGINAL) for method in results.zoo.methods)]
        for method, against in pairs:
            for sparsity in SPARSITIES:
                first = accuracies[method][sparsity]
                second = original if against == ORIGINAL else accuracies[against][sparsity]
                both = pd.concat([first, second, original], axis=1, keys=["first", "second", "original"]).dropna()
                row = {"zoo": results.zoo.id, "method": method, "against": against, "sparsity": 100 * sparsity}
                row |= {"models": len(both)} | _tau("tau", both["first"], both["second"])
                if against != ORIGINAL:
                    residuals = (_residuals(both[name], both["original"]) for name in ("first", "second"))
                    row |= _tau("residual_tau", *residuals)
                row["reason"] = _why_undefined(len(both), row["tau"])
                rows.append(row)
    taus = [f"{name}{end}" for name in ("tau", "residual_tau") for end in ("", "_low", "_high", "_p")]
    return pd.DataFrame(rows, columns=["zoo", "method", "against", "sparsity", "models", *taus, "reason"])


def _residuals(accuracies: pd.Series, originals: pd.Series) -> pd.Series:
    """Return residuals of a linear regression on the originals' accuracies; all where they are equal or too few."""
    if len(accuracies) < 3 or np.ptp(originals) == 0:
        return accuracies
    line = stats.linregress(originals, accuracies)
    return accuracies - line.slope * originals


def _tau(name: str, first: pd.Series, second: pd.Series) -> dict[str, float]:
    # accuracies are shares of some hundred images: interpolation must not break ties
    tau = kendall(first.round(9).to_numpy(), second.round(9).to_numpy())
    return {name: tau.value, f"{name}_low": tau.low, f"{name}_high": tau.high, f"{name}_p": tau.p}


def _why_undefined(models: int, tau: float) -> str:
    if not models:
        return UNCOMMON
    return FEW if np.isnan(tau) else ""


def arrange_equal_sparsity_comparison(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo and pair of methods, by sparsity; * where the interval excludes 0."""
    cell = value_interval(table["mean"], table["low"], table["high"], "{:+.1f}")
    decided = (table["low"] > 0) | (table["high"] < 0)
    cell = cell + decided.map({True: " *", False: ""}) + texts(table["models"].where(table["models"] > 0), " n {:.0f}")
    return by_sparsity(table, cell.where(table["models"] > 0, "–"), " − ")


def arrange_method_ranks(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo and pair of methods, sparsities from left to right."""
    cell = value_interval(table["tau"], table["tau_low"], table["tau_high"], "{:.2f}")
    return by_sparsity(table, cell.where(table["tau"].isna(), cell + texts(table["models"], " n {}")), ", ")
