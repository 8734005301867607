"""Compression ratio and theoretical speed-up beside accuracy, for every operating point (as ShrinkBench asks).

Compression: prunable weights over those that are left. Speed-up: multiply-adds of one forward pass over those with a
non-zero weight. Both as totals over the population, so that one emptied model does not make them infinite. Bytes and
latency are measured (`zootwins.analyses.sizes`).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from zootwins.analyses.cells import lines, mean_std, shorts, sweep_texts, texts, value_interval
from zootwins.analyses.intervals import mean_interval
from zootwins.analyses.paper_tables import summary
from zootwins.analyses.results import ZooResults

# Columns of the long table `sizes` (`zootwins.analyses.sizes`).
MEASURED = ("channel_sparsity", "bytes", "small_bytes", "latency", "small_latency")


def compression_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Return one row per zoo, method and operating point: accuracy and its change in percent, compression, speed-up."""
    rows = []
    for results in zoos:
        original = results.originals["test_accuracy"]
        points = [(method, point) for method in results.zoo.methods for point in results.milestones(method)]
        for method, point in points:
            scores, layers = results.at(method, point), results.at(method, point, "layers")
            change = scores["test_accuracy"] - original.reindex(scores.index)
            row = {"zoo": results.zoo.id, "method": method, "point": point.value}
            row |= {f"accuracy_{key}": value for key, value in summary(scores["test_accuracy"]).items()}
            row |= {f"change_{key}": value for key, value in summary(change).items() if key != "models"}
            row["weight_sparsity"] = 100 * scores["sparsity"].mean()
            row |= _measured(results, method, point.value)
            for name, size in (("compression", "weights"), ("speed_up", "multiply_adds")):
                left = remaining_share(layers, size)
                low, high = mean_interval(left)
                row |= {
                    name: _inverse(left.mean() if len(left) else np.nan),
                    f"{name}_low": _inverse(high),
                    f"{name}_high": _inverse(low),
                }
            rows.append(row)
    columns = ["zoo", "method", "point", "accuracy_mean", "accuracy_std", "accuracy_models"]
    columns += ["accuracy_low", "accuracy_high", "change_mean", "change_std", "change_low", "change_high"]
    columns += ["weight_sparsity", *MEASURED]
    columns += ["compression", "compression_low", "compression_high", "speed_up", "speed_up_low", "speed_up_high"]
    return pd.DataFrame(rows, columns=columns).rename(columns={"accuracy_models": "models"})


def _measured(results: ZooResults, method: str, point: float) -> dict[str, float]:
    """Return size and latency of a method's twins at a point, channel_sparsity in percent; NaN where not measured."""
    rows = results.tables.get("sizes")
    if rows is None or (found := rows[(rows["method"] == method) & np.isclose(rows["point"], point, atol=0)]).empty:
        return dict.fromkeys(MEASURED, np.nan)
    row = found.iloc[0][list(MEASURED)].astype(float).to_dict()
    return row | {"channel_sparsity": 100 * row["channel_sparsity"]}


def remaining_share(layers: pd.DataFrame, size: str) -> np.ndarray:
    """Return each model's share of weights or multiply-adds that remain, `[models]`.

    Args:
        layers: rows of a layers table at one operating point, by index.
        size: the column `weights` or `multiply_adds`.
    """
    kept = (layers[size] * (1 - layers["sparsity"])).groupby(level="index").sum()
    return (kept / layers[size].groupby(level="index").sum()).to_numpy()


def _inverse(share: float) -> float:
    return np.inf if share <= 0 else 1 / share  # bounds of small zoos can lie below 0; NaN stays NaN


def arrange_compression(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, method and operating point."""
    points = sweep_texts(table["method"], table["point"])
    return lines(
        {"Zoo": table["zoo"], "Method": shorts(table["method"]), "Point": points},
        {
            "n": texts(table["models"]),
            "Accuracy": mean_std(table["accuracy_mean"], table["accuracy_std"]),
            "Change": value_interval(table["change_mean"], table["change_low"], table["change_high"]),
            "Weights": texts(table["weight_sparsity"], "{:.1f}"),
            "Channels": texts(table["channel_sparsity"], "{:.1f}"),
            "Compression": texts(table["compression"], "{:.2f} ×"),
            "Speed-up": texts(table["speed_up"], "{:.2f} ×"),
            "Bytes": _of_both(table["bytes"], table["small_bytes"], "{:.0f}"),
            "Latency": _of_both(table["latency"], table["small_latency"], "{:.2f}"),
        },
    )


def _of_both(whole: pd.Series, small: pd.Series, form: str) -> pd.Series:
    """Join numbers of networks at full size with those of smaller ones, where there are any."""
    smaller = texts(small, " → " + form).where(small.notna(), "")
    return texts(whole, form) + smaller
