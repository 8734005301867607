"""Sparsification-friendly and -hard models: how a model's rank in its population changes from original to twin.

A model whose twin ranks higher than itself did is sparsification-friendly, the contrary -hard. Ranks rest on a finite
test split, so every change carries an interval from resampling the test images, the same draw for all models.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from zootwins.analyses.cells import lines, shorts, texts, value_interval
from zootwins.analyses.intervals import CONFIDENCE, RESAMPLES, generator
from zootwins.analyses.results import ZooResults
from zootwins.sparsifiers.base import Point
from zootwins.storage.shards import TwinShard
from zootwins.zoos.sources import FACTORS

COLUMNS = [
    *("zoo", "method", "models", "index", "original_accuracy", "twin_accuracy", "original_rank", "twin_rank"),
    *("rank_change", "low", "high", "control_low", "control_high", "seed", *FACTORS),
]
_BATCH = 50  # resamples of the test images held at once


def rank_changes(original: np.ndarray, twin: np.ndarray) -> pd.DataFrame:
    """Rank originals and twins by test accuracy, 1 the worst; ties share their mean rank.

    Args:
        original: whether each original is right on each test image, bool `[models, samples]`.
        twin: the same for their twins.

    Returns:
        original_accuracy, twin_accuracy, original_rank, twin_rank, rank_change (positive: friendly), and the bounds
        of its 95 % interval, low and high; one row per model.
    """
    ranks = _ranks(original.mean(1)), _ranks(twin.mean(1))
    low, high = np.quantile(_resampled_changes(original, twin), _tails(), axis=0)
    return pd.DataFrame(
        {
            "original_accuracy": original.mean(1),
            "twin_accuracy": twin.mean(1),
            "original_rank": ranks[0],
            "twin_rank": ranks[1],
            "rank_change": ranks[1] - ranks[0],
            "low": low,
            "high": high,
        }
    )


def _ranks(accuracy: np.ndarray) -> np.ndarray:
    """Return ranks along the last of one or two axes; ties share their mean rank."""
    # whole numbers of right answers, divided: rounding keeps equal accuracies equal
    ranks = pd.DataFrame(np.atleast_2d(accuracy).round(9)).rank(axis=1).to_numpy()
    return ranks.reshape(accuracy.shape)


def _resampled_changes(original: np.ndarray, twin: np.ndarray) -> np.ndarray:
    samples = original.shape[1]
    rng = generator()
    correct = np.concatenate((original, twin)).astype(np.float32).T  # [samples, 2 · models]
    changes = []
    for _ in range(0, RESAMPLES, _BATCH):
        draws = rng.multinomial(samples, np.full(samples, 1 / samples), size=_BATCH).astype(np.float32)
        before, after = np.split(draws @ correct / samples, 2, axis=1)
        changes.append(_ranks(after) - _ranks(before))
    return np.concatenate(changes)


def _tails() -> tuple[float, float]:
    return (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2


def twin_predictions(shards: Sequence[TwinShard], point: Point) -> tuple[np.ndarray, np.ndarray]:
    """Return the predicted classes of the twins at an operating point, `[models, samples]`, and the models' indices.

    Models whose twin has diverged there are left out.

    Args:
        shards: the zoo's, in order.
        point: its epoch is one of the shards' `prediction_states`.
    """
    parts, indices = [], []
    for shard in shards:
        twin, state = shard.twin(point.at), shard.prediction_states.index(point.epoch)
        finite = ~shard.diverged[:, twin, shard.states.index(point.epoch)].numpy()
        parts.append(shard.twins("predictions")[:, twin, state].numpy()[finite])
        indices.append(np.array(shard.index, dtype=np.int64)[finite])
    return np.concatenate(parts), np.concatenate(indices)


def response(
    shards: Sequence[TwinShard],
    point: Point,
    dense_control: Point | None,
    predictions: np.ndarray,
    index: np.ndarray,
    labels: np.ndarray,
) -> pd.DataFrame:
    """Return the rank changes of a zoo's models at an operating point, and the bounds of those of unpruned controls.

    Args:
        shards: the zoo's twins by a method, in order.
        point: the operating point.
        dense_control: the method's unpruned control, if it has one.
        predictions: the originals' predicted classes on the test images, `[originals, samples]`.
        index: the originals' indices in models.csv, `[originals]`; some may have no twins.
        labels: the right classes, `[samples]`.

    Returns:
        One row per twin, as `rank_changes`, with its index before and `control_low`, `control_high` behind.
    """

    def changes_at(at: Point) -> pd.DataFrame:
        twins, models = twin_predictions(shards, at)
        right = predictions[pd.Index(index).get_indexer(models)] == labels
        changes = rank_changes(right, twins == labels)
        changes.insert(0, "index", models)
        return changes

    changes = changes_at(point)
    if dense_control is not None:
        bounds = changes_at(dense_control).set_index("index")[["low", "high"]]
        changes = changes.join(bounds.add_prefix("control_"), on="index")
    return changes


def rank_change_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Return every model's rank change with its generating factors, the friendliest first in each zoo and method."""
    tables = []
    for results in zoos:
        for method in results.zoo.methods:
            if (changes := results.tables.get(f"{method}/response")) is not None:
                rows = changes.join(results.originals[["seed", *FACTORS]], on="index")
                rows.insert(0, "zoo", results.zoo.id)
                rows.insert(1, "method", method)
                rows.insert(2, "models", len(rows))
                tables.append(rows.sort_values("rank_change", ascending=False, kind="stable"))
    return pd.concat(tables, ignore_index=True).reindex(columns=COLUMNS) if tables else pd.DataFrame(columns=COLUMNS)


def arrange_rank_changes(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange the three friendliest and three hardest models per zoo and method, with their factors."""
    groups = table.groupby(["zoo", "method"], sort=False)
    ends = pd.concat([groups.head(3), groups.tail(3)])
    ends = ends[~ends.index.duplicated()].sort_index()
    return lines(
        {"Zoo": ends["zoo"], "Method": shorts(ends["method"]), "Model": ends["index"]},
        {
            "n": texts(ends["models"]),
            "Original": texts(100 * ends["original_accuracy"], "{:.1f}"),
            "Twin": texts(100 * ends["twin_accuracy"], "{:.1f}"),
            "Rank change": value_interval(ends["rank_change"], ends["low"], ends["high"]),
            **{factor: texts(ends[factor]) for factor in ("seed", *FACTORS)},
        },
    )
