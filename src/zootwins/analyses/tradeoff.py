"""Accuracy against sparsity by method, as The State of Sparsity (Gale, Elsen, Hooker 2019) compares methods.

Twice, at each of the paper's sparsities. At that sparsity: every model's accuracy between its own operating points,
over all models, since nothing is chosen. And as one would use the method: the setting that is best on pilot models'
validation images among those that make them at least as sparse, on the test images of the others.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from zootwins.analyses.cells import lines, shorts, sweep_texts, texts, value_interval
from zootwins.analyses.pairing import TOLERANCE, at_sparsity
from zootwins.analyses.paper_tables import summary
from zootwins.analyses.results import ZooResults
from zootwins.analyses.selection import chosen_point, others, pilots
from zootwins.analyses.state_of_sparsity import DENSE, SPARSITIES, published_score
from zootwins.sparsifiers.base import Point
from zootwins.sparsifiers.registry import get_sparsifier

BAND = (0.1, 0.5, 0.9)  # quantiles
USEFUL = (0.5, 0.98)  # the range of sparsity that settings are hoped to land in

_AT = ["models", "mean", "std", "low", "high", "p10", "median", "p90", "change_mean", "change_low", "change_high"]
_CHOSEN = ["setting", "setting_models", "setting_mean", "setting_std", "setting_low", "setting_high"]
_CHOSEN += ["setting_sparsity", "emptied", "constant"]
COLUMNS = ["zoo", "method", "sparsity", *_AT, *_CHOSEN, "pilots", "landed", *DENSE, "reason"]


def tradeoff_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Return one row per zoo, method and sparsity, in percent; where no twin is as sparse, a reason."""
    rows = []
    for results in zoos:
        chosen_by = " ".join(map(str, pilots(results)))
        for method in results.zoo.methods:
            curve = results.curve(method)
            accuracies, landed = at_sparsity(curve, SPARSITIES), 100 * landing_share(results, method)
            for sparsity in SPARSITIES:
                row = {"zoo": results.zoo.id, "method": method, "sparsity": 100 * sparsity}
                row |= _at(accuracies[sparsity].dropna(), results) | _chosen(results, method, sparsity)
                row |= {"pilots": chosen_by, "landed": landed}
                row |= {network: published_score(network, method, sparsity) for network in DENSE}
                row["reason"] = "" if row["models"] else out_of_range(curve)
                rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


def landing_share(results: ZooResults, method: str) -> float:
    """Return the share of a method's twins, over models and operating points, whose sparsity is in the useful range.

    The unpruned control is no setting that was hoped to land there.
    """
    curve, control = results.curve(method), get_sparsifier(method).dense_control(results.zoo.methods[method])
    twins = curve if control is None else curve[~np.isclose(curve["point"], control.value, atol=0)]
    return float(twins["sparsity"].between(USEFUL[0] - TOLERANCE, USEFUL[1] + TOLERANCE).mean())


def out_of_range(curve: pd.DataFrame) -> str:
    """Return why a method has no accuracy at some sparsity: where its models' curves begin and end."""
    ends = 100 * curve.groupby("index")["sparsity"].agg(["min", "max"])
    return f"twins are {ends['min'].min():.1f} to {ends['max'].max():.1f} % sparse" if len(ends) else "no models"


def _at(accuracy: pd.Series, results: ZooResults) -> dict[str, float]:
    """Summarise the models' accuracies at a sparsity, and the change from their originals."""
    change = summary(accuracy - results.originals["test_accuracy"].reindex(accuracy.index))
    quantiles = 100 * accuracy.quantile(BAND) if len(accuracy) else [np.nan] * len(BAND)
    return {
        **summary(accuracy),
        **dict(zip(("p10", "median", "p90"), quantiles, strict=True)),
        **{f"change_{key}": change[key] for key in ("mean", "low", "high")},
    }


def _chosen(results: ZooResults, method: str, sparsity: float) -> dict[str, float]:
    """Return the chosen setting, and the results of the models that did not choose it."""
    point = chosen_point(results, method, sparsity)
    if point is None:
        return {}
    scores = others(results.at(method, point), results)
    accuracy = {f"setting_{key}": value for key, value in summary(scores["test_accuracy"]).items()}
    return {"setting": point.value, **accuracy, "setting_sparsity": 100 * scores["sparsity"].mean()} | {
        name: 100 * share for name, share in fallen(results, method, point).items()
    }


def fallen(results: ZooResults, method: str, point: Point) -> Mapping[str, float]:
    """Return the shares of models without pilots that have an empty layer, or predict one class, at a point.

    `emptied`: a layer without weights; `constant`: the same prediction for all test images.
    """
    layers = others(results.at(method, point, "layers"), results)
    predictions = others(results.at(method, point, "agreement"), results)
    emptied = (layers["sparsity"] == 1).groupby(level="index").any()
    return {"emptied": emptied.mean(), "constant": predictions["constant"].mean()}


def arrange_tradeoff(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, method and sparsity."""
    settings = table["setting"].notna()
    words = pd.Series("–", table.index, dtype=object)
    words[settings] = sweep_texts(table.loc[settings, "method"], table.loc[settings, "setting"])
    return lines(
        {"Zoo": table["zoo"], "Method": shorts(table["method"]), "Sparsity": texts(table["sparsity"], "{:g} %")},
        {
            "n": texts(table["models"]),
            "Accuracy": value_interval(table["mean"], table["low"], table["high"]),
            "10–90 %": texts(table["p10"], "{:.1f}") + texts(table["p90"], "–{:.1f}"),
            "Change": value_interval(table["change_mean"], table["change_low"], table["change_high"]),
            "Chosen": words,
            "n, others": texts(table["setting_models"], "{:.0f}"),
            "Accuracy, others": value_interval(table["setting_mean"], table["setting_low"], table["setting_high"]),
            "Sparsity, others": texts(table["setting_sparsity"], "{:.1f}"),
            "Emptied": texts(table["emptied"], "{:.0f}"),
            "Constant": texts(table["constant"], "{:.0f}"),
            "ResNet-50": texts(table["resnet50"], "{:.1f}"),
            "Transformer": texts(table["transformer"], "{:.1f}"),
            "Note": table["reason"].replace("", "–"),
        },
    )
