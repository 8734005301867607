"""From twin shards to long tables: one row per twin and state, all quantities as fractions.

Only scores, sparsities and predictions are looked at, never weights, and one shard at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from zootwins.analyses.status import status_of
from zootwins.architectures.architecture import Architecture
from zootwins.run.errors import InputError
from zootwins.sparsifiers.base import Point
from zootwins.storage.files import remedy
from zootwins.storage.shards import SCORES, TwinShard


@dataclass(frozen=True)
class Metrics:
    """The long tables of one zoo and method.

    Each begins with model, index, a column for each of the method's axes, epoch, and point: the value of the
    method's sweep parameter where the row is an operating point, NaN elsewhere. Each ends with status
    (`zootwins.analyses.status`): of the twin in that state, missing where its loss is finite and its predictions were
    not kept.

    Attributes:
        scores: accuracies and losses, sparsity over all prunable weights, the number of layers that have no weights
            left (empty_layers), generalization_gap.
        layers: layer, its sparsity, and its number of weights and multiply-adds.
        agreement: agreement with the model's original on the test split, and whether all predictions of the twin are
            the same class (`constant`), at the epochs with predictions.
    """

    scores: pd.DataFrame
    layers: pd.DataFrame
    agreement: pd.DataFrame


def collect_metrics(
    shards: Sequence[TwinShard],
    predictions: np.ndarray,
    index: np.ndarray,
    architecture: Architecture,
    curve: Sequence[Point],
) -> Metrics:
    """Return the long tables of a zoo's shards, in the shards' order.

    Args:
        shards: all shards of a zoo and method.
        predictions: the originals' predicted classes, `[originals, samples]`.
        index: the originals' indices in models.csv, `[originals]`, ascending.
        curve: the method's operating points.

    Raises:
        InputError: if there are no originals, or the shards do not hold every one of them exactly once.
    """
    if not len(index):
        raise InputError(
            f"{shards[0].path.parent}: every model that the run takes is excluded, for the reasons in the zoo's "
            "models.csv; raise max_models in the configuration, or leave the zoo out"
        )
    _check_complete(shards, index)
    tables = [
        _shard_metrics(shard, predictions[np.searchsorted(index, shard.index)], architecture, curve) for shard in shards
    ]
    scores, layers, agreements = (pd.concat(parts, ignore_index=True) for parts in zip(*tables, strict=True))
    return Metrics(scores, layers, agreements)


def taken(predictions: np.ndarray, index: np.ndarray, models: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the imported originals that the run takes, from the first.

    Args:
        predictions: `[originals, samples]`.
        index: `[originals]`.
        models: how many rows of models.csv the run takes.
    """
    return predictions[index < models], index[index < models]


def _check_complete(shards: Sequence[TwinShard], index: np.ndarray) -> None:
    where: dict[int, TwinShard] = {}
    for shard in shards:
        for model, name in zip(shard.index, shard.models, strict=True):
            if model in where:
                raise InputError(
                    f"{shard.path}: model {name} is also in {where[model].path}; delete the stale one of the two"
                )
            where[model] = shard
    missing = sorted(set(index.tolist()) - where.keys())
    unknown = sorted(where.keys() - set(index.tolist()))
    if missing:
        raise InputError(
            f"{shards[0].path.parent}: no shard holds model {missing[0]} ({len(missing)} are missing); "
            "make the shard of its range again: snakemake --cores 4 --force and its path"
        )
    if unknown:
        raise InputError(
            f"{where[unknown[0]].path}: holds model {unknown[0]}, which is not among the zoo's originals; delete it"
        )


def _shard_metrics(
    shard: TwinShard, originals: np.ndarray, architecture: Architecture, curve: Sequence[Point]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    names = [layer.name for layer in architecture.layers]
    sparsity = shard.twins("sparsity").double().numpy()  # [models, twins, states, layers]
    twins = shard.twins("predictions").numpy()
    constant = (twins == twins[..., :1]).all(axis=-1)
    kept = [state in shard.prediction_states for state in shard.states]
    collapsed = np.zeros((*constant.shape[:2], len(kept)), dtype=bool)
    collapsed[..., kept] = constant
    diverged = shard.diverged.numpy()
    known = np.broadcast_to(kept, diverged.shape)

    scores = _rows(shard, shard.states, curve)
    for score in SCORES:
        scores[score] = shard.twins(score).double().numpy().ravel()
    scores["sparsity"] = (sparsity @ architecture.weight_shares.numpy()).ravel()
    scores["empty_layers"] = (sparsity == 1).sum(-1).ravel()
    scores["generalization_gap"] = scores["train_accuracy"] - scores["test_accuracy"]
    scores["status"] = status_of(diverged, collapsed, known)

    layers = _rows(shard, shard.states, curve)
    layers = layers.loc[layers.index.repeat(len(names))].reset_index(drop=True)
    rows = len(layers) // len(names)
    layers["layer"] = np.tile(names, rows)
    layers["sparsity"] = sparsity.ravel()
    layers["weights"] = np.tile([layer.weights for layer in architecture.layers], rows)
    layers["multiply_adds"] = np.tile([layer.multiply_adds for layer in architecture.layers], rows)
    layers["status"] = scores["status"].repeat(len(names)).array

    agreements = _rows(shard, shard.prediction_states, curve)
    if twins.shape[-1] != originals.shape[-1]:
        raise InputError(
            f"{shard.path}: predictions on {twins.shape[-1]} test samples, the originals' on {originals.shape[-1]}; "
            f"{remedy(shard.path)}"
        )
    agreements["agreement"] = agreement(twins, originals[:, None, None]).ravel()
    agreements["constant"] = constant.ravel()
    agreements["status"] = scores.loc[known.ravel(), "status"].array
    return scores, layers, agreements


def _rows(shard: TwinShard, states: Sequence[int], curve: Sequence[Point]) -> pd.DataFrame:
    """Return the columns that every table begins with, in the order of a raveled `[models, twins, states]`."""
    coordinates = shard.coordinates
    models, twins, epochs = np.indices((len(shard.models), len(coordinates), len(states))).reshape(3, -1)
    points = np.full((len(coordinates), len(states)), np.nan)
    for point in curve:
        for twin, place in enumerate(coordinates):
            if point.epoch in states and all(
                np.isclose(place[name], value, atol=0) for name, value in point.at.items()
            ):
                points[twin, list(states).index(point.epoch)] = point.value
    return pd.DataFrame(
        {
            "model": np.array(shard.models, dtype=object)[models],
            "index": np.array(shard.index, dtype=np.int64)[models],
            **{axis.name: np.array([place[axis.name] for place in coordinates])[twins] for axis in shard.axes},
            "epoch": np.array(states, dtype=np.int64)[epochs],
            "point": points[twins, epochs],
        }
    )


def agreement(predictions: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return the share of equal classes over the last axis (the paper's eq. 1); the axes before it broadcast.

    Args:
        predictions: classes, such as the twins' `[models, ratios, states, samples]`.
        reference: classes, such as the originals' `[models, 1, 1, samples]`.

    Returns:
        Shares as float64, `[models, ratios, states]`.
    """
    if predictions.shape[-1] != reference.shape[-1]:
        raise ValueError(f"predictions on {predictions.shape[-1]} samples, reference on {reference.shape[-1]}")
    return (predictions == reference).mean(axis=-1)
