"""params.json and result.json of a raw model: its generating factors, and a row of metrics for each epoch.

Nothing here loads torch: a workflow is planned by reading these texts.
"""

import json
import math
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any

from zootwins.architectures.activations import ACTIVATIONS
from zootwins.run.errors import InputError
from zootwins.zoos.sources import OPTIMIZERS

if TYPE_CHECKING:
    from zootwins.architectures.architecture import Architecture
    from zootwins.population import Factors

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
FACTOR_KEYS = {  # generating factor → key of params.json
    "seed": "seed",
    "activation": "model::nlin",
    "init": "model::init_type",
    "optimizer": "optim::optimizer",
    "lr": "optim::lr",
    "weight_decay": "optim::wd",
    "momentum": "optim::momentum",
    "dropout": "model::dropout",
    "batch_size": "training::batchsize",
}
L2_KEY, SCHEDULE_KEY = "optim::l2", "optim::schedule"  # our own; the authors' zoos have neither
_MOMENTUM = 0.9  # of SGD in the authors' code, which does not record it
NOT_RECORDED = -999  # what the authors' code writes where it has no number
_ACTIVATION_NAMES = {"leakyrelu": "leaky_relu"}  # as the authors' code calls them, by ours


class BrokenModelError(ValueError):
    """Why a model is excluded."""


def parse_params(text: bytes) -> dict[str, Any]:
    """Return the content of a params.json.

    Raises:
        BrokenModelError: if it is not a JSON object.
    """
    return _parse(text, "params.json")


def parse_factors(
    params: Mapping[str, Any], file: str, given: Mapping[str, Any], keys: Mapping[str, str] = FACTOR_KEYS
) -> "Factors":
    """Return the generating factors in the content of a params.json.

    Seed and initialiser may be missing or unknown: they matter only where weights are made again from them.

    Args:
        params: content of the file.
        file: its path, for messages.
        given: what the catalogue gives for factors that the file does not have.
        keys: the file's key of each factor.

    Raises:
        BrokenModelError: if one is unknown or out of its range.
        InputError: if one is missing.
    """
    from zootwins.population import Factors

    recorded = {key: value for key, value in params.items() if value is not None}
    values = {keys[factor]: value for factor, value in given.items()} | recorded
    missing = [f for f in keys if f not in ("seed", "init", "momentum") and values.get(keys[f]) is None]
    if missing:
        shown_factors = ", ".join(f"{factor}: …" for factor in missing)
        raise InputError(
            f"{file}: has no {keys[missing[0]]}; give what the zoo was trained with in its catalogue entry, "
            f"factors: {{{shown_factors}}}"
        )
    optimizer = _choice(values, keys["optimizer"], OPTIMIZERS)
    init = values.get(keys["init"])
    factors = Factors(
        seed=_integer(values, keys["seed"]) if values.get(keys["seed"]) is not None else None,
        activation=_choice(values, keys["activation"], ACTIVATIONS, _ACTIVATION_NAMES),
        init=init if isinstance(init, str) else None,
        optimizer=optimizer,
        lr=_number(values, keys["lr"]),
        weight_decay=_number(values, keys["weight_decay"]),
        momentum=_number(values, keys["momentum"], _MOMENTUM) if optimizer in ("sgd", "nesterov") else 0.0,
        dropout=_number(values, keys["dropout"]),
        batch_size=_integer(values, keys["batch_size"]),
        l2=_number(values, L2_KEY, 0.0),
        schedule=str(values.get(SCHEDULE_KEY, "constant")),
    )
    if factors.lr <= 0 or factors.weight_decay < 0 or not 0 <= factors.dropout < 1 or factors.batch_size < 1:
        raise BrokenModelError("params.json: learning rate, weight decay, dropout or batch size is out of range")
    return factors


def parse_original(text: bytes) -> str:
    """Return the folder's name of the model that a variational twin was made from, in the twin's params.json.

    Raises:
        BrokenModelError: if it is missing.
    """
    path = _parse(text, "params.json").get("training::init_checkpoint_path")
    if not isinstance(path, str) or not (name := path.rstrip("/").rpartition("/")[2]):
        raise BrokenModelError(f"training::init_checkpoint_path is {shown(path)}, not the path of a model")
    return name


def parse_history(
    text: bytes,
    metrics: Mapping[str, str] = METRICS,
    epoch_key: str = "training_iteration",
    accuracy_unit: float = 1.0,
) -> tuple[list[dict[str, float]], bool]:
    """Return the rows of a result.json by epoch (of one that is there twice, the later row).

    Args:
        text: content of the file.
        metrics: the file's keys by our names.
        epoch_key: the file's key of the epoch.
        accuracy_unit: what an accuracy of every image is recorded as.

    Returns:
        For each epoch `epoch` and `metrics`, NaN where the file has none; and whether the last line is cut off.

    Raises:
        BrokenModelError: if there is no row, or anything in it is not what it should be.
    """
    rows: dict[int, dict[str, float]] = {}
    cut = False
    for line in BytesIO(text):
        if not line.strip():
            continue
        if len(line) > LINE_LIMIT:
            raise BrokenModelError("unreadable file: result.json has a line of absurd length")
        try:
            parsed = _parse(line, "result.json")
        except BrokenModelError:
            if line.endswith(b"\n"):  # whole files end with a line break
                raise
            cut = True
            continue
        epoch = _integer(parsed, epoch_key)
        rows[epoch] = {"epoch": epoch} | {
            column: _metric(parsed, column, key, accuracy_unit) for column, key in metrics.items()
        }
    if not rows:
        raise BrokenModelError(f"truncated result.json: it {'ends in its first line' if cut else 'is empty'}")
    return [rows[epoch] for epoch in sorted(rows)], cut


def params_json(factors: "Factors", architecture: "Architecture") -> dict[str, Any]:
    """Return content of params.json, with the authors' keys."""
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
        **({L2_KEY: factors.l2} if factors.l2 else {}),
        **({SCHEDULE_KEY: factors.schedule} if factors.schedule != "constant" else {}),
    }


def result_json(history: Iterable[Mapping[str, float]], params: Mapping[str, Any]) -> bytes:
    """Return content of result.json: one line per epoch, with the metrics that are not NaN."""
    lines = [
        {key: row[column] for column, key in TWIN_METRICS.items() if not math.isnan(row.get(column, math.nan))}
        | {"training_iteration": int(row["epoch"]), "config": dict(params)}
        for row in history
    ]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def shown(value: Any) -> str:
    """Shorten a value from a foreign file for a message."""
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


def _choice(
    mapping: Mapping[str, Any], key: str, known: Iterable[str], other_names: Mapping[str, str] | None = None
) -> str:
    value = mapping.get(key)
    name = (other_names or {}).get(value, value) if isinstance(value, str) else value
    if name not in tuple(known):
        raise BrokenModelError(f"{key} is {shown(value)}, not one of {', '.join(known)}")
    return name


def _metric(row: Mapping[str, Any], column: str, key: str, accuracy_unit: float) -> float:
    """Return a loss, or a share as a fraction; NaN where it is missing, not finite, or the authors' placeholder."""
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, float | int | None):
        raise BrokenModelError(f"unreadable file: result.json: {key} is {shown(value)}, not a number")
    if value is None or value == NOT_RECORDED or not abs(value) <= sys.float_info.max:
        return math.nan
    if not column.endswith(("accuracy", "sparsity")):
        return float(value) if value >= 0 else math.nan
    unit = accuracy_unit if column.endswith("accuracy") else 1.0
    if not 0 <= value <= unit:
        percent = "; if the zoo records percentages, divide them by 100" if unit < value <= 100 else ""
        raise BrokenModelError(f"result.json: {key} is {value:.6g}, not between 0 and {unit:g}{percent}")
    return value / unit
