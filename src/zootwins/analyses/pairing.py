"""Methods compared by model at equal sparsity: a model's own curve is interpolated, and nothing is chosen."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from zootwins.analyses.results import ZooResults

# How far beyond the ends of a model's curve its end stands for it: pruning takes whole weights of each layer, so that
# 95 % is 94.99 % in one table and 95.03 % in another.
TOLERANCE = 0.005
SAME = 0.001  # sparsities that are the same but for such whole weights


def method_pairs(results: ZooResults) -> list[tuple[str, str]]:
    """Return every two of a zoo's methods, in their order."""
    return list(combinations(results.zoo.methods, 2))


def at_sparsity(rows: pd.DataFrame, sparsities: Sequence[float], quantity: str = "test_accuracy") -> pd.DataFrame:
    """Interpolate each model's quantity linearly at given sparsities, where its curve first passes them.

    Args:
        rows: of a method's curve, with index, sparsity and the quantity.
        sparsities: fractions.

    Returns:
        One row per model, by index, and one column per sparsity; NaN where all of the model's twins are sparser, or
        none is as sparse.
    """
    curves = {index: interpolated(*curve, sparsities) for index, curve in _curves(rows, quantity)}
    frame = pd.DataFrame.from_dict(curves, orient="index", columns=list(sparsities))
    return frame.rename_axis("index").sort_index()


def interpolated(sparsity: np.ndarray, values: np.ndarray, wanted: Sequence[float]) -> np.ndarray:
    """Interpolate values at wanted sparsities, between the first two points of a curve that enclose them.

    Sparsity need not ascend: too large a penalty may ruin a network without making it sparser, and such a network says
    nothing about those that a smaller penalty has made as sparse. NaN further than `TOLERANCE` from all points. Within
    `SAME` of a point its value is taken as it is, so that equal twins stay equal: shares of whole weights are never
    quite those that were asked for.
    """
    found = np.full(len(wanted), np.nan)
    low, high = np.minimum(sparsity[:-1], sparsity[1:]), np.maximum(sparsity[:-1], sparsity[1:])
    for number, at in enumerate(wanted):
        if (passes := (low <= at) & (at <= high)).any():
            first = int(np.argmax(passes))
            ends = np.abs(sparsity[first : first + 2] - at)
            if ends.min() <= SAME:
                found[number] = values[first + int(np.argmin(ends))]
                continue
            share = (at - sparsity[first]) / (sparsity[first + 1] - sparsity[first])
            found[number] = values[first] + share * (values[first + 1] - values[first])
        else:
            nearest = int(np.argmin(abs(sparsity - at)))
            found[number] = values[nearest] if abs(sparsity[nearest] - at) <= TOLERANCE else np.nan
    return found


def _curves(rows: pd.DataFrame, quantity: str) -> Iterator[tuple[int, np.ndarray]]:
    """Return each model's index, and the sparsities along its curve with the quantity there, `[2, points]`."""
    ordered = rows.sort_values("point", kind="stable")
    for index, part in ordered.groupby("index"):
        yield index, part[["sparsity", quantity]].to_numpy().T


def method_differences(results: ZooResults, method: str, against: str) -> pd.DataFrame:
    """Return each model's accuracy by one method less that by another, at the other's points and sparsity there.

    The method's accuracies are interpolated linearly between its own operating points. NaN where the other's twin
    is sparser or less sparse than all of the model's twins.

    Returns:
        index, point, epoch (of the other method), sparsity, difference (both as fractions).
    """
    rows = equal_sparsity_differences(results.curve(method), results.curve(against))
    return rows[["index", "point", "epoch", "sparsity", "difference"]]


def equal_sparsity_differences(
    rows: pd.DataFrame, others: pd.DataFrame, quantity: str = "test_accuracy"
) -> pd.DataFrame:
    """Return each model's quantity by one method less that by another, at the sparsities of the other's twins.

    Args:
        rows: of the method's curve, with index, point, sparsity and the quantity: it is interpolated (`interpolated`).
        others: of the other's twins, with index, sparsity and the quantity.

    Returns:
        The rows of `others`, of models that both have, with the `difference`; NaN where none of the model's twins is
        about as sparse.
    """
    curves = dict(_curves(rows, quantity))
    parts = [
        other.assign(difference=interpolated(*curves[index], other["sparsity"]) - other[quantity])
        for index, other in others.groupby("index")
        if index in curves  # else all of the method's twins diverged
    ]
    return pd.concat(parts, ignore_index=True) if parts else others.iloc[:0].assign(difference=np.nan)
