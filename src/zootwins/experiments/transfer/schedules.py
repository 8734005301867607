"""What both modes of transfer share: the schedule of learning rates, the streams of random numbers, and the rows."""

import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from zootwins.experiments.transfer.backbones import Backbones
from zootwins.run.keys import stream_key

log = logging.getLogger(__name__)

# After so many of 150 epochs, counted from 0, the reference's rate falls to a tenth (its `epochs: [50, 50, 150]`).
_MILESTONES, _OF = (51, 101), 150


def lr_factor(epoch: int, epochs: int) -> float:
    """Return the factor of the learning rate in epoch 1, 2, …, `epochs`: 1, then 0.1, then 0.01."""
    passed = sum((epoch - 1) * _OF >= milestone * epochs for milestone in _MILESTONES)
    return (1.0, 0.1, 0.01)[passed]


def transfer_keys(zoo: str, models: Sequence[str], task: str, mode: str, restart: int) -> Tensor:
    """Return the random stream of each model, int64 `[models]`, which all of its candidates share."""
    keys = [stream_key(zoo, model, "transfer", task, mode, restart) for model in models]
    return torch.tensor(keys, dtype=torch.int64)


def class_accuracy(predictions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return recall averaged over classes.

    Args:
        predictions: `[…, samples]`.
        labels: `[samples]`; classes without an image do not count.
    """
    right = predictions == labels
    # classes last: they are added in the same order whatever stands before them
    return np.stack([right[..., labels == label].mean(-1) for label in np.unique(labels)], axis=-1).mean(-1)


def log_diverged(backbones: Backbones, finite: np.ndarray, lacking: str) -> None:
    """Name the networks on the log some of whose numbers are NaN or infinite.

    Args:
        backbones: the candidates.
        finite: bool `[models, candidates]`.
        lacking: what they do not have.
    """
    for model, number in np.argwhere(~finite):
        candidate = backbones.candidates[number]
        log.warning("%s: %s %g has no %s", backbones.models[model], candidate.method, candidate.value, lacking)


def rows_of(backbones: Backbones, **values: np.ndarray | float | str) -> pd.DataFrame:
    """Return a row for every model and candidate: its keys, and values `[models, candidates]` or one for all.

    Columns: index, method, point, source_state, upstream_accuracy, sparsity, and the values.
    """
    shape = (len(backbones), len(backbones.candidates))
    of_candidates = {
        "method": [candidate.method for candidate in backbones.candidates],
        "point": [candidate.value for candidate in backbones.candidates],
        "source_state": [candidate.epoch for candidate in backbones.candidates],
    }
    columns = {"index": np.repeat(np.array(backbones.index, dtype=np.int64), shape[1])}
    columns |= {name: np.tile(np.array(each), shape[0]) for name, each in of_candidates.items()}
    columns |= {"upstream_accuracy": backbones.upstream.ravel(), "sparsity": backbones.sparsity().ravel()}
    columns |= {name: each.ravel() if isinstance(each, np.ndarray) else each for name, each in values.items()}
    return pd.DataFrame(columns)
