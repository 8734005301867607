"""The paper's findings as tests on the data."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from zootwins.analyses.cells import lines, shorts
from zootwins.analyses.findings import Finding, mean_finding, verdict_texts
from zootwins.analyses.intervals import interval, mean_interval
from zootwins.analyses.pairing import method_differences, method_pairs
from zootwins.analyses.results import ZooResults
from zootwins.analyses.statistics import kendall
from zootwins.sparsifiers.registry import get_sparsifier

SPREAD = 2.0  # "low spread": twins vary less than this times as much as their originals
ROBUST_UP_TO = 0.8  # sparsity up to which MP is said to beat VD
BEST = 0.25  # share of a zoo that counts as its best models
COLUMNS = ["zoo", "method", "finding", "statistic", "value", "low", "high", "bound", "models", "verdict"]


def findings_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Test every finding on every zoo that has the method and the operating point it is about."""
    rows = [
        {"zoo": results.zoo.id, "verdict": finding.verdict, **vars(finding)}
        for results in zoos
        for finding in (*_by_method(results), *_pairs(results), *_layers(results))
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _by_method(results: ZooResults) -> Iterator[Finding]:
    for method, point in results.operating_points("correlation").items():
        twin = results.at(method, point)["test_accuracy"]
        original = results.originals["test_accuracy"].reindex(twin.index)
        pair, models = (original.to_numpy(), twin.to_numpy()), len(twin)
        yield Finding(
            method,
            "sparsification is robust: accuracies spread little",
            "std of twins / std of originals",
            float(_spread(*pair, axis=-1)) if models > 1 and np.ptp(pair[0]) else np.nan,
            *interval(pair, _spread),
            SPREAD,
            models,
            above=False,
        )
        tau = kendall(*pair)
        yield Finding(
            method,
            "accuracies of originals and twins correlate",
            "Kendall's tau-b",
            tau.value,
            tau.low,
            tau.high,
            0.0,
            models,
        )
        yield Finding(
            method,
            "the best originals are among the best twins",
            f"share of the best {BEST:.0%} of originals among the best {BEST:.0%} of twins",
            _best_stay(*pair) if models else np.nan,
            *interval(pair, _best_stay, vectorized=False),
            BEST,
            models,
        )
        yield _friendly(results, method)


def _friendly(results: ZooResults, method: str) -> Finding:
    """Test whether more ranks change than in models that are trained again and not pruned.

    A rank change counts where the test images do not explain it. Training again changes ranks too, which the unpruned
    controls show: the method's own, or magnitude pruning's.
    """
    responses = [results.tables[f"{one}/response"] for one in (method, "mp") if f"{one}/response" in results.tables]
    twins = responses[0].set_index("index")
    controls = next((each.set_index("index") for each in responses if "control_low" in each), None)
    if controls is None:
        excess = pd.Series(np.nan, twins.index)
    else:
        excess = _outside(twins["low"], twins["high"]) - _outside(controls["control_low"], controls["control_high"])
        excess = excess.dropna()  # of the models whose control did not diverge
    return Finding(
        method,
        "some models are sparsification-friendly, some -hard",
        "share of models whose rank change has an interval without 0, less that of unpruned controls",
        float(excess.mean()),
        *mean_interval(excess.to_numpy()),
        0.0,
        len(excess),
    )


def _outside(low: pd.Series, high: pd.Series) -> pd.Series:
    """Return 1 where an interval is without 0, 0 where it is not, NaN where there is none."""
    return ((low > 0) | (high < 0)).astype(float).where(low.notna())


def _spread(original: np.ndarray, twin: np.ndarray, axis: int) -> np.ndarray:
    return twin.std(axis, ddof=1) / original.std(axis, ddof=1)


def _best_stay(original: np.ndarray, twin: np.ndarray) -> float:
    """Return the share of the best originals whose twins are among the best; of ties, lower indices count."""
    best = max(1, round(BEST * len(original)))
    chosen = [set(np.argsort(-values, kind="stable")[:best]) for values in (original, twin)]
    return len(chosen[0] & chosen[1]) / best


def _pairs(results: ZooResults) -> Iterator[Finding]:
    agreement = results.operating_points("agreement")
    for method, against in method_pairs(results):
        pair, names = f"{method} − {against}", [get_sparsifier(name).short for name in (method, against)]
        differences = method_differences(results, method, against)
        originals = [point.value for point in results.zoo.curve(against) if point.epoch == 0 and not point.at]
        twins = ~differences["point"].isin(originals)
        low = differences[twins & (differences["sparsity"] <= ROBUST_UP_TO)].dropna()
        values = 100 * low.groupby("index")["difference"].mean().to_numpy()
        yield mean_finding(
            pair,
            f"{names[0]} beats {names[1]} up to {ROBUST_UP_TO:.0%} sparsity",
            "accuracy at equal sparsity, whatever the epochs of training, points",
            values,
        )
        epochs = {point.epoch for point in results.zoo.curve(method)} - {0}
        equal = differences[differences["epoch"].isin(epochs)].dropna()
        if len(epochs) == 1 and not equal.empty:
            values = 100 * equal.groupby("index")["difference"].mean().to_numpy()
            finding = f"{names[0]} beats {names[1]} after as many epochs of training"
            yield mean_finding(pair, finding, f"accuracy at equal sparsity, {epochs.pop()} epochs each, points", values)
        if method in agreement and against in agreement:
            own, other = (results.at(name, agreement[name], "agreement")["agreement"] for name in (method, against))
            finding = f"{names[0]} agrees more with the originals than {names[1]}"
            yield mean_finding(pair, finding, "agreement, points", 100 * (own - other).to_numpy())


def _layers(results: ZooResults) -> Iterator[Finding]:
    if "vd/layers" not in results.tables:
        return
    layers = results.at("vd", results.values("vd")[-1], "layers")
    taus = [stats.kendalltau(part["weights"], part["sparsity"]).statistic for _, part in layers.groupby(level="index")]
    yield mean_finding(
        "vd",
        "of one architecture's layers, the larger are sparser",
        "mean of Kendall's tau-b, size against sparsity",
        np.array(taus),
    )


def arrange_findings(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, method and finding."""
    return lines(
        {"Zoo": table["zoo"], "Method": shorts(table["method"]), "Finding": table["finding"]},
        verdict_texts(table),
    )
