"""params.json and result.json of a raw model: its generating factors, and a row of metrics an epoch."""

import json
import math
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from io import BytesIO
from typing import Any

from zootwins.architectures.activations import ACTIVATIONS
from zootwins.architectures.architecture import Architecture
from zootwins.population import Factors
from zootwins.population.initialisation import INITIALISERS

_MODEL_TYPES = {"cnn_s": "CNN", "cnn_l": "CNN3"}  # the authors' names; of other networks the catalogue's spec
LINE_LIMIT = 1 << 20  # bytes of a line of result.json; a real one has 1 kB
METRICS = {  # column of history.parquet → key of result.json
    "train_loss": "train_loss",
    "train_accuracy": "train_acc",
    "test_loss": "test_loss",
    "test_accuracy": "test_acc",
    "validation_loss": "val_loss",
    "validation_accuracy": "val_acc",
}
TWIN_METRICS = METRICS | {"sparsity": "sparsity_ratio"}  # of the authors' variational twins


class BrokenModelError(ValueError):
    """Why a model is excluded."""


def parse_factors(text: bytes) -> Factors:
    """The factors in a params.json.

    Raises:
        BrokenModelError: if one is missing, unknown or out of its range.
    """
    params = _parse(text, "params.json")
    optimizer = _choice(params, "optim::optimizer", ("adam", "sgd"))
    factors = Factors(
        seed=_integer(params, "seed"),
        activation=_choice(params, "model::nlin", tuple(ACTIVATIONS)),
        init=_choice(params, "model::init_type", tuple(INITIALISERS)),
        optimizer=optimizer,
        lr=_number(params, "optim::lr"),
        weight_decay=_number(params, "optim::wd", 0.0),
        momentum=_number(params, "optim::momentum", 0.9) if optimizer == "sgd" else 0.0,
        dropout=_number(params, "model::dropout", 0.0),
        batch_size=_integer(params, "training::batchsize", 10),
    )
    if factors.lr <= 0 or factors.weight_decay < 0 or not 0 <= factors.dropout < 1 or factors.batch_size < 1:
        raise BrokenModelError("params.json: learning rate, weight decay, dropout or batch size is out of range")
    return factors


def parse_original(text: bytes) -> str:
    """The folder's name of the model that a variational twin was made from, in the twin's params.json.

    Raises:
        BrokenModelError: if it is missing.
    """
    path = _parse(text, "params.json").get("training::init_checkpoint_path")
    if not isinstance(path, str) or not (name := path.rstrip("/").rpartition("/")[2]):
        raise BrokenModelError(f"training::init_checkpoint_path is {shown(path)}, not the path of a model")
    return name


def parse_history(text: bytes, metrics: Mapping[str, str] = METRICS) -> list[dict[str, float]]:
    """The rows of a result.json by epoch (`training_iteration`; of one that is there twice, the later row).

    Returns:
        For each epoch `epoch` and `metrics`, NaN where the file has none.

    Raises:
        BrokenModelError: if the file is truncated, or anything in it is not what it should be.
    """
    rows: dict[int, dict[str, float]] = {}
    for line in BytesIO(text):
        if not line.strip():
            continue
        if len(line) > LINE_LIMIT:
            raise BrokenModelError("unreadable file: result.json has a line of absurd length")
        try:
            parsed = _parse(line, "result.json")
        except BrokenModelError:
            if not line.endswith(b"\n"):  # whole files end with a line break
                raise BrokenModelError("truncated result.json") from None
            raise
        epoch = _integer(parsed, "training_iteration")
        rows[epoch] = {"epoch": epoch} | {column: _metric(parsed, column, key) for column, key in metrics.items()}
    if not rows:
        raise BrokenModelError("truncated result.json: it is empty")
    return [rows[epoch] for epoch in sorted(rows)]


def params_json(factors: Factors, architecture: Architecture) -> dict[str, Any]:
    """Content of params.json, with the authors' keys."""
    return {
        "model::type": _MODEL_TYPES.get(architecture.design.id, architecture.spec),
        "model::channels_in": architecture.channels,
        "model::o_dim": architecture.classes,
        "model::nlin": factors.activation,
        "model::dropout": factors.dropout,
        "model::init_type": factors.init,
        "optim::optimizer": factors.optimizer,
        "optim::lr": factors.lr,
        "optim::wd": factors.weight_decay,
        "optim::momentum": factors.momentum,
        "training::batchsize": factors.batch_size,
        "seed": factors.seed,
    }


def result_json(history: Iterable[Mapping[str, float]], params: Mapping[str, Any]) -> bytes:
    """Content of result.json: a line an epoch, with the metrics that are not NaN."""
    lines = [
        {key: row[column] for column, key in METRICS.items() if not math.isnan(row[column])}
        | {"training_iteration": int(row["epoch"]), "config": dict(params)}
        for row in history
    ]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def shown(value: Any) -> str:
    """A value from a stranger, short enough for a reason."""
    return repr(value)[:40] if isinstance(value, str | float | bool | None) else f"of type {type(value).__name__}"


def _parse(text: bytes, where: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        raise BrokenModelError(f"unreadable file: {where} is not JSON") from None
    if not isinstance(parsed, dict):
        raise BrokenModelError(f"unreadable file: {where} holds no JSON object")
    return parsed


def _number(mapping: Mapping[str, Any], key: str, default: float | None = None) -> float:
    value = mapping.get(key, default)
    if isinstance(value, float | int) and not isinstance(value, bool) and abs(value) < math.inf:
        with suppress(OverflowError):
            return float(value)
    raise BrokenModelError(f"{key} is {shown(value)}, not a finite number")


def _integer(mapping: Mapping[str, Any], key: str, default: int | None = None) -> int:
    number = _number(mapping, key, default)
    if not 0 <= number < 2**53 or number != int(number):
        raise BrokenModelError(f"{key} is {shown(number)}, not a whole number that is not negative")
    return int(number)


def _choice(mapping: Mapping[str, Any], key: str, known: Iterable[str]) -> str:
    value = mapping.get(key)
    if value not in tuple(known):
        raise BrokenModelError(f"{key} is {shown(value)}, not one of {', '.join(known)}")
    return value


def _metric(row: Mapping[str, Any], column: str, key: str) -> float:
    """A loss or accuracy; NaN where it is missing, not finite, or the authors' placeholder -999."""
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, float | int | None):
        raise BrokenModelError(f"unreadable file: result.json: {key} is {shown(value)}, not a number")
    limit = 1 if column.endswith(("accuracy", "sparsity")) else sys.float_info.max
    return float(value) if value is not None and 0 <= value <= limit else math.nan
