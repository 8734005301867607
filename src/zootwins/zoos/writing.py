"""Write a zoo that was trained with your own code, from state dicts and a table, so that it can be imported."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor
from torch.utils.data import TensorDataset

from zootwins.images.datasets import SPLIT_SEED, SPLITS
from zootwins.run.errors import InputError
from zootwins.zoos.raw_texts import (
    FACTOR_KEYS,
    L2_KEY,
    METRICS,
    SCHEDULE_KEY,
    BrokenModelError,
    parse_factors,
    result_json,
)
from zootwins.zoos.raw_zoo import FilesOfModel, write_members

StateDict = Mapping[str, Tensor]


def write_zoo(
    path: str | Path,
    models: Mapping[str, StateDict | Mapping[int, StateDict]],
    table: pd.DataFrame,
    dataset: Mapping[str, tuple[Tensor, Tensor]] | None = None,
    classes: int | None = None,
) -> None:
    """Write a zip in the raw ModelZoo layout, whole or not at all.

    Args:
        path: the zip; its name without the suffix is the name of the zoo's folder in it.
        models: each model's state dict by the model's name, or its state dicts by epoch (0: before training). Keys are
            those of `architecture.module(…).state_dict()`, or another layout that the architecture knows.
        table: a row for each model, by its name in the index or in the column `model`. Columns are `activation`,
            `optimizer`, `lr`, `weight_decay`, `dropout` and `batch_size`; of `sgd` and `nesterov` also `momentum`;
            `epoch`, that of the last state dict; `seed` and `init` if they are known; and as far as they are known
            `test_accuracy`, `test_loss` and the same of `train` and `validation` at that epoch, accuracies as
            fractions.
        dataset: images, float `[samples, channels, height, width]` as the models saw them, and labels, int64
            `[samples]`, of the splits `train`, `validation` and `test`; without it, the catalogue names the data set.
        classes: how many classes the data have; ten, or as many as the labels need, if None.

    Raises:
        InputError: if a model has no row or no state dict, or a factor is missing or out of its range.
    """
    rows = (table.set_index("model") if "model" in table else table).to_dict("index")
    if odd := sorted(set(map(str, rows)) ^ set(models)):
        raise InputError(f"{path}: {odd[0]!r} is in the table or among the models alone; give each model one row")
    if dataset is not None and (missing := [split for split in SPLITS if split not in dataset]):
        raise InputError(f"{path}: the data set has no {missing[0]} split; give {', '.join(SPLITS)}")
    stored = None
    if dataset is not None:
        stored = {key: TensorDataset(*dataset[split]) for split, key in SPLITS.items()} | {"dataset_seed": SPLIT_SEED}
        stored |= {"classes": classes} if classes else {}
    by_name = {str(name): row for name, row in rows.items()}
    files = _files(path, models, by_name)
    write_members(path, Path(path).stem, {"written_by": "zootwins.zoos.write_zoo"}, files, stored)


def _files(
    path: str | Path, models: Mapping[str, StateDict | Mapping[int, StateDict]], rows: Mapping[str, Mapping[str, Any]]
) -> Iterator[FilesOfModel]:
    for name, states in models.items():
        row = {column: value for column, value in rows[name].items() if not _is_missing(value)}
        if "epoch" not in row:
            raise InputError(f"{path}: {name} has no epoch in the table; give the epoch of its last state dict")
        if row.get("optimizer") in ("sgd", "nesterov") and "momentum" not in row:
            raise InputError(f"{path}: {name} has no momentum in the table; give it, 0 if there was none")
        keys = FACTOR_KEYS | {"l2": L2_KEY, "schedule": SCHEDULE_KEY}
        params = {key: _plain(row[factor]) for factor, key in keys.items() if factor in row}
        try:
            parse_factors(params, f"{path}: {name}", {})
        except BrokenModelError as error:
            raise InputError(f"{path}: {name}: {error}; correct it in the table") from None
        epoch = int(row["epoch"])
        by_epoch = states if all(isinstance(key, int) for key in states) else {epoch: states}
        if epoch not in by_epoch:
            raise InputError(f"{path}: {name} has no state dict of epoch {epoch}, which the table says is its last")
        nothing = dict.fromkeys(METRICS, math.nan)
        last = {metric: float(row[metric]) for metric in METRICS if metric in row}
        epochs = sorted(by_epoch)
        history = [{"epoch": number} | nothing | (last if number == epoch else {}) for number in epochs]
        yield name, params, result_json(history, params), {number: dict(by_epoch[number]) for number in epochs}


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _plain(value: Any) -> Any:
    """Return NumPy's numbers as Python's, which JSON takes."""
    return value.item() if hasattr(value, "item") else value
