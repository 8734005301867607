"""The tasks of the benchmark: which networks they take, what is predicted, and how predictions are scored."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from zootwins.publishing.loading import PublishedZoo
from zootwins.publishing.splits import ORIGINAL, split_of_originals
from zootwins.run.errors import InputError


@dataclass(frozen=True)
class Task:
    """One task on one zoo and split.

    Attributes:
        id: of the task.
        zoo: the published zoo.
        inputs: rows of the index whose weights a method may read, one for each item, int64 `[items]`.
        targets: what is predicted, `[items]`; for `mask`, rows of the index whose zeros are predicted; for `original`,
            rows of the dense original.
        conditions: what is known beside the weights, `[items]`: the method and point of the twin asked for, or "".
        split: train, validation or test, `[items]`.
    """

    id: str
    zoo: PublishedZoo
    inputs: np.ndarray
    targets: np.ndarray
    conditions: np.ndarray
    split: np.ndarray

    @property
    def train(self) -> np.ndarray:
        """Items to learn from; choose settings on `validation`."""
        return np.flatnonzero(self.split == "train")

    @property
    def validation(self) -> np.ndarray:
        """Items to choose settings on."""
        return np.flatnonzero(self.split == "validation")

    @property
    def test(self) -> np.ndarray:
        """Items that `evaluate` scores, in this order."""
        return np.flatnonzero(self.split == "test")


_ROUNDING = 1e-9  # of a sparsity, which is a weighted sum over layers


@dataclass(frozen=True)
class _Kind:
    """A kind of task: its items, its scores, and a title for tables."""

    title: str
    items: Callable[[PublishedZoo], pd.DataFrame]
    scores: Callable[[Task, np.ndarray], dict[str, float]]


def get_task(name: str, zoo: PublishedZoo, repetition: int = 0) -> Task:
    """Return a task on a published zoo.

    Args:
        name: one of `TASKS`.
        repetition: 0 is the split that the release froze; other numbers are further splits by original, for intervals.

    Raises:
        InputError: if there is no such task, or the zoo has no items for it in one of the splits.
    """
    if name not in TASKS:
        raise InputError(f"task: {name!r} is unknown; choose {', '.join(TASKS)}")
    items = TASKS[name].items(zoo)
    index = zoo.index
    if repetition:
        splits = split_of_originals(f"{zoo.about['zoo']}/{repetition}", index["original"])
        split = index["original"].map(splits)
    else:
        split = index["split"]
    split = split.to_numpy()[items["input"].to_numpy()]
    empty = [part for part in ("train", "validation", "test") if not (split == part).any()]
    if empty:
        raise InputError(
            f"{zoo.folder}: has nothing for the task {name} in {' and '.join(empty)}; a zoo needs some ten models, and "
            "twins, for every split"
        )
    return Task(name, zoo, items["input"].to_numpy(), items["target"].to_numpy(), items["condition"].to_numpy(), split)


def evaluate(task: Task, predictions: np.ndarray) -> dict[str, float]:
    """Return the scores of predictions for the test items, in the order of `task.test`.

    Args:
        task: from `get_task`.
        predictions: `[test items]` numbers (accuracy, twin_accuracy, sparsity), probabilities of collapse
            (twin_collapse) or names (method); for `original` scores `[test items, dense originals of the test split]`,
            the originals in ascending row order; for `mask` a score per prunable weight `[test items, weights]`,
            higher where pruned, in the order of `zoo.vector` without biases.

    Raises:
        InputError: if the number of predictions is not that of the test items, or one is not finite.
    """
    predictions = np.asarray(predictions)
    if len(predictions) != len(task.test):
        raise InputError(f"{task.id}: {len(predictions)} predictions for {len(task.test)} test items")
    if predictions.dtype.kind == "f" and not np.isfinite(predictions).all():
        raise InputError(f"{task.id}: a prediction is not finite")
    return TASKS[task.id].scores(task, predictions)


def tau_ceiling(targets: np.ndarray) -> float:
    """Return the largest Kendall's tau-b that predictions without ties can reach: sqrt(untied pairs / pairs)."""
    _, counts = np.unique(targets, return_counts=True)
    pairs = len(targets) * (len(targets) - 1) / 2
    return float(np.sqrt(1 - (counts * (counts - 1) / 2).sum() / pairs)) if pairs else np.nan


def _items(rows: pd.DataFrame, target: pd.Series | np.ndarray, inputs=None, condition="") -> pd.DataFrame:
    inputs = rows.index if inputs is None else inputs
    return pd.DataFrame({"input": np.asarray(inputs), "target": np.asarray(target), "condition": condition})


def _finite(zoo: PublishedZoo) -> pd.DataFrame:
    rows = zoo.index
    return rows[rows["status"] != "diverged"]


def _twins(zoo: PublishedZoo) -> pd.DataFrame:
    """Return twins with `dense`, the row of their dense original, and `condition`, their method and point."""
    rows = _finite(zoo)
    dense = rows[rows["method"] == ORIGINAL]
    dense = pd.Series(dense.index, index=dense["original"])
    twins = rows[rows["method"] != ORIGINAL].copy()
    twins["dense"] = twins["original"].map(dense)
    point = twins["point"].map("{:g}".format)
    twins["condition"] = twins["method"] + " " + point + ", epoch " + twins["epoch"].astype(str)
    return twins.dropna(subset="dense").astype({"dense": int})


def _accuracy(zoo: PublishedZoo) -> pd.DataFrame:
    rows = _finite(zoo)
    return _items(rows, rows["test_accuracy"])


def _sparsity(zoo: PublishedZoo) -> pd.DataFrame:
    rows = _finite(zoo)
    return _items(rows, rows["sparsity"])


def _method(zoo: PublishedZoo) -> pd.DataFrame:
    rows = _finite(zoo)
    return _items(rows, rows["method"])


def _twin_accuracy(zoo: PublishedZoo) -> pd.DataFrame:
    twins = _twins(zoo)
    return _items(twins, twins["test_accuracy"], twins["dense"], twins["condition"].to_numpy())


def _twin_collapse(zoo: PublishedZoo) -> pd.DataFrame:
    twins = _twins(zoo)
    return _items(twins, twins["status"] == "collapsed", twins["dense"], twins["condition"].to_numpy())


def _original(zoo: PublishedZoo) -> pd.DataFrame:
    twins = _twins(zoo)
    return _items(twins, twins["dense"])


def _mask(zoo: PublishedZoo) -> pd.DataFrame:
    twins = _twins(zoo)
    twins = twins[twins["sparsity"].between(_ROUNDING, 1 - _ROUNDING)]  # a mask of one class has no ROC curve
    return _items(twins, twins.index, twins["dense"], twins["condition"].to_numpy())


def _regression_scores(task: Task, predictions: np.ndarray) -> dict[str, float]:
    targets = task.targets[task.test].astype(float)
    tau = stats.kendalltau(targets, predictions).statistic if np.ptp(targets) and np.ptp(predictions) else np.nan
    spread = ((targets - targets.mean()) ** 2).sum()
    r2 = 1 - ((targets - predictions) ** 2).sum() / spread if spread else np.nan
    return {"r2": float(r2), "kendall_tau": float(tau), "kendall_tau_ceiling": tau_ceiling(targets)}


def _class_scores(task: Task, predictions: np.ndarray) -> dict[str, float]:
    return {"balanced_accuracy": float(balanced_accuracy_score(task.targets[task.test], predictions))}


def _collapse_scores(task: Task, predictions: np.ndarray) -> dict[str, float]:
    targets = task.targets[task.test].astype(bool)
    both = targets.any() and not targets.all()
    return {"auc": float(roc_auc_score(targets, predictions)) if both else np.nan, "share": float(targets.mean())}


def _retrieval_scores(task: Task, predictions: np.ndarray) -> dict[str, float]:
    targets = task.targets[task.test]
    candidates = np.unique(targets)
    right = np.searchsorted(candidates, targets)
    own = predictions[np.arange(len(right)), right]
    rank = 1 + (predictions > own[:, None]).sum(1) + ((predictions == own[:, None]).sum(1) - 1) / 2  # ties share a rank
    return {"top_1": float((rank == 1).mean()), "mean_reciprocal_rank": float((1 / rank).mean())}


def prunable(zoo: PublishedZoo) -> np.ndarray:
    """Return which entries of `zoo.vector` are weights of layers (no biases), bool `[parameters]`."""
    shapes: Mapping[str, list[int]] = zoo.about["parameters"]
    return np.concatenate([np.full(int(np.prod(shape)), len(shape) > 1) for shape in shapes.values()])


def _mask_scores(task: Task, predictions: np.ndarray) -> dict[str, float]:
    weights = prunable(task.zoo)
    masks = task.zoo.vectors(task.targets[task.test])[:, weights].numpy() == 0
    areas = [roc_auc_score(mask, scores) for mask, scores in zip(masks, predictions, strict=True)]
    return {"auc": float(np.mean(areas))}


TASKS = {
    "accuracy": _Kind("Accuracy from weights", _accuracy, _regression_scores),
    "sparsity": _Kind("Sparsity from weights", _sparsity, _regression_scores),
    "method": _Kind("Method from weights", _method, _class_scores),
    "twin_accuracy": _Kind("A twin's accuracy from the dense weights", _twin_accuracy, _regression_scores),
    "twin_collapse": _Kind("A twin's collapse from the dense weights", _twin_collapse, _collapse_scores),
    "original": _Kind("The original of a twin", _original, _retrieval_scores),
    "mask": _Kind("Prune masks from the dense weights", _mask, _mask_scores),
}
