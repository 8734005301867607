"""The raw ModelZoo layout: a folder a model, with its generating factors, its history and its checkpoints.

    <zoo>/config.json  dataset.pt
    <zoo>/<model>/params.json  result.json  checkpoint_0000XX/checkpoints

Checkpoints are torch state dicts with keys `module_list.{i}.{weight,bias}`. What the files say is never executed and
never believed without a check: layouts are inferred from keys and shapes, rows matched by `training_iteration`.
"""

import json
import math
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zootwins.architectures import ACTIVATIONS, Architecture, get_architecture, to_state_dict
from zootwins.archives import Members
from zootwins.errors import InputError
from zootwins.files import replacing
from zootwins.initialisation import INITIALISERS
from zootwins.population import Factors

CHECKPOINT_LIMIT, TEXT_LIMIT, LINE_LIMIT = 16 << 20, 64 << 20, 1 << 20  # bytes
DATASET_LIMIT = 4 << 30
METRICS = {  # column of history.parquet → key of result.json
    "train_loss": "train_loss",
    "train_accuracy": "train_acc",
    "test_loss": "test_loss",
    "test_accuracy": "test_acc",
    "validation_loss": "val_loss",
    "validation_accuracy": "val_acc",
}
_CHECKPOINT = re.compile(r"checkpoint_(\d+)")
_PARAMETER = re.compile(r"module_list\.(\d+)\.(weight|bias)")
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold: equal zoos make equal archives


class BrokenModelError(ValueError):
    """Why a model is excluded."""


@dataclass
class RawModel:
    """One model of a raw zoo.

    Attributes:
        name: its folder's name.
        factors: its generating factors.
        checkpoints: parameters `{layer}.weight` and `{layer}.bias`, by epoch.
        history: rows with an `epoch` and `METRICS`, NaN where result.json has none.
        reason: why the model is excluded; empty if it is not. What was not read then is missing above.
    """

    name: str
    factors: Factors | None = None
    checkpoints: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    reason: str = ""


def read_models(members: Members, architecture: str, epoch: int | None) -> Iterator[RawModel]:
    """The models of a raw zoo by name, each with one checkpoint: of `epoch`, or the last if None.

    Raises:
        InputError: if there is no model at all.
    """
    folders = _model_folders(members)
    if not folders:
        raise InputError(f"{members.path}: no models in the raw ModelZoo layout (folders with params.json) in there")
    for folder, files in sorted(folders.items()):
        model = RawModel(folder.rpartition("/")[2])
        try:
            model.factors = _read_factors(_read_json(members, folder, files, "params.json"))
            model.history = _read_history(members, folder, files)
            chosen = _choose_checkpoint(files, epoch)
            if not any(row["epoch"] == chosen for row in model.history):
                raise BrokenModelError(f"result.json has no row with training_iteration {chosen}")
            content = members.read(f"{folder}/checkpoint_{_digits(files, chosen)}/checkpoints", CHECKPOINT_LIMIT)
            model.checkpoints[chosen] = _read_checkpoint(content, architecture)
        except BrokenModelError as error:
            model.reason = str(error)
        except OSError as error:
            model.reason = f"unreadable file: {error}"
        yield model


def find_dataset(members: Members) -> bytes | None:
    """The content of the zoo's own dataset.pt, if it has one."""
    for name in members.names:
        if name.rpartition("/")[2] == "dataset.pt" and name.count("/") <= 1:
            try:
                return members.read(name, DATASET_LIMIT)
            except OSError as error:
                raise InputError(f"{members.path}: {error}; fetch it again") from None
    return None


def _model_folders(members: Members) -> dict[str, set[str]]:
    """What is in each model's folder, by the folder's path."""
    folders: dict[str, set[str]] = {}
    for name in members.names:
        folder, _, file = name.rpartition("/")
        if file == "checkpoints":
            folder, _, checkpoint = folder.rpartition("/")
            file = f"{checkpoint}/checkpoints"
        if folder and (file in ("params.json", "result.json") or _CHECKPOINT.match(file)):
            folders.setdefault(folder, set()).add(file)
    return folders


def _digits(files: Iterable[str], epoch: int) -> str:
    return next(d for d in (m[1] for m in map(_CHECKPOINT.match, files) if m) if int(d) == epoch)


def _choose_checkpoint(files: Iterable[str], epoch: int | None) -> int:
    epochs = [int(match[1]) for match in map(_CHECKPOINT.match, files) if match]
    if not epochs or epoch not in (None, *epochs):
        raise BrokenModelError("missing checkpoint" + ("" if epoch is None else f" of epoch {epoch}"))
    return max(epochs) if epoch is None else epoch


def _read_json(members: Members, folder: str, files: Iterable[str], file: str) -> dict[str, Any]:
    if file not in files:
        raise BrokenModelError(f"missing {file}")
    return _parse(members.read(f"{folder}/{file}", LINE_LIMIT), file)


def _parse(line: bytes, where: str) -> dict[str, Any]:
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError):
        raise BrokenModelError(f"unreadable file: {where} is not JSON") from None
    if not isinstance(parsed, dict):
        raise BrokenModelError(f"unreadable file: {where} holds no JSON object")
    return parsed


def _number(mapping: Mapping[str, Any], key: str, default: float | None = None) -> float:
    value = mapping.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise BrokenModelError(f"{key} is {str(value)[:40]!r}, not a finite number")
    return float(value)


def _choice(mapping: Mapping[str, Any], key: str, known: Iterable[str]) -> str:
    value = mapping.get(key)
    if value not in tuple(known):
        raise BrokenModelError(f"{key} is {str(value)[:40]!r}, not one of {', '.join(known)}")
    return value


def _read_factors(params: Mapping[str, Any]) -> Factors:
    optimizer = _choice(params, "optim::optimizer", ("adam", "sgd"))
    factors = Factors(
        seed=int(_number(params, "seed")),
        activation=_choice(params, "model::nlin", tuple(ACTIVATIONS)),
        init=_choice(params, "model::init_type", tuple(INITIALISERS)),
        optimizer=optimizer,
        lr=_number(params, "optim::lr"),
        weight_decay=_number(params, "optim::wd", 0.0),
        momentum=_number(params, "optim::momentum", 0.9) if optimizer == "sgd" else 0.0,
        dropout=_number(params, "model::dropout", 0.0),
        batch_size=int(_number(params, "training::batchsize", 10)),
    )
    if factors.lr <= 0 or factors.weight_decay < 0 or not 0 <= factors.dropout < 1 or factors.batch_size < 1:
        raise BrokenModelError("params.json: learning rate, weight decay, dropout or batch size is out of range")
    return factors


def _read_history(members: Members, folder: str, files: Iterable[str]) -> list[dict[str, float]]:
    if "result.json" not in files:
        raise BrokenModelError("missing result.json")
    lines = members.read(f"{folder}/result.json", TEXT_LIMIT).split(b"\n")
    rows: dict[int, dict[str, float]] = {}
    for line in filter(None, (line.strip() for line in lines)):
        if len(line) > LINE_LIMIT:
            raise BrokenModelError("unreadable file: result.json has a line of absurd length")
        try:
            parsed = _parse(line, "result.json")
        except BrokenModelError:
            if line == lines[-1].strip():  # whole files end with a line break
                raise BrokenModelError("truncated result.json") from None
            raise
        epoch = int(_number(parsed, "training_iteration"))
        metrics = {column: _number(parsed, key) for column, key in METRICS.items() if parsed.get(key) is not None}
        rows[epoch] = {"epoch": epoch, **dict.fromkeys(METRICS, math.nan), **metrics}
    if not rows:
        raise BrokenModelError("truncated result.json")
    return [rows[epoch] for epoch in sorted(rows)]


def _read_checkpoint(content: bytes, architecture: str) -> dict[str, Tensor]:
    """Parameters `{layer}.weight` and `{layer}.bias`, float32, whatever the layout of the keys."""
    state = load_tensors(content)
    found: dict[int, dict[str, Tensor]] = {}
    for key, tensor in state.items():
        match = _PARAMETER.fullmatch(str(key))
        if match is None or not isinstance(tensor, Tensor):
            raise BrokenModelError(f"wrong shapes: the checkpoint holds {str(key)[:60]!r}")
        found.setdefault(int(match[1]), {})[match[2]] = tensor
    first = found.get(0, {}).get("weight")
    shaped = get_architecture(architecture, first.shape[1] if first is not None and first.ndim == 4 else 1)
    layouts = [list(shaped.module_indices(dropout).values()) for dropout in (False, True)]
    if sorted(found) not in layouts:
        raise BrokenModelError(f"wrong shapes: layers at {sorted(found)} are no layout of {architecture}")
    parameters = {}
    for layer, index in zip(shaped.layers, sorted(found), strict=True):
        for kind in ("weight", "bias"):
            name, tensor = f"{layer.name}.{kind}", found[index].get(kind)
            if tensor is None or tuple(tensor.shape) != shaped.parameter_shapes[name]:
                shape = "missing" if tensor is None else list(tensor.shape)
                raise BrokenModelError(f"wrong shapes: {name} is {shape}, not {list(shaped.parameter_shapes[name])}")
            if not tensor.is_floating_point() or not torch.isfinite(tensor).all():
                raise BrokenModelError(f"NaN or infinite weights in {name}")
            parameters[name] = tensor.detach().float()
    return parameters


def load_tensors(content: bytes) -> dict[Any, Any]:
    """A torch file as a dict, by the unpickler that can only make tensors and containers.

    Raises:
        BrokenModelError: if the file holds anything else, or unpacks to more than it has a right to.
    """
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > CHECKPOINT_LIMIT:
                raise BrokenModelError("unreadable file: the checkpoint unpacks to an absurd size")
        state = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
    except BrokenModelError:
        raise
    except Exception as error:  # the unpickler raises whatever it stumbles over
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BrokenModelError(f"unreadable file: the checkpoint is refused ({reason[:120]})") from None
    if not isinstance(state, dict):
        raise BrokenModelError("unreadable file: the checkpoint holds no state dict")
    return state


def write_raw_zoo(
    path: str | Path,
    name: str,
    config: Mapping[str, Any],
    models: Iterable[RawModel],
    architecture: Architecture,
    dataset: Mapping[str, Any] | None = None,
) -> None:
    """Write a zip in the raw layout, whole or not at all; equal zoos make equal bytes.

    Args:
        path: the zip.
        name: the zoo's folder in it.
        config: content of config.json.
        models: models with their factors, checkpoints and history.
        architecture: of all the models.
        dataset: content of dataset.pt (`datasets.as_trained_on`).
    """
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:

        def write(member: str, content: bytes) -> None:
            archive.writestr(zipfile.ZipInfo(f"{name}/{member}", _FIXED_DATE), content, zipfile.ZIP_DEFLATED)

        write("config.json", json.dumps(dict(config), indent=1).encode())
        if dataset is not None:
            write("dataset.pt", _torch_bytes(dict(dataset)))
        for model in models:
            params = _params(model.factors, architecture)
            write(f"{model.name}/params.json", json.dumps(params, indent=1).encode())
            lines = [
                {key: row[column] for column, key in METRICS.items() if not math.isnan(row[column])}
                | {"training_iteration": int(row["epoch"]), "config": params}
                for row in model.history
            ]
            write(f"{model.name}/result.json", "".join(json.dumps(line) + "\n" for line in lines).encode())
            for epoch, parameters in model.checkpoints.items():
                state = to_state_dict(parameters, architecture, model.factors.dropout)
                state = {key: tensor.clone() for key, tensor in state.items()}  # a view would save all it views
                write(f"{model.name}/checkpoint_{epoch:06d}/checkpoints", _torch_bytes(state))


def _torch_bytes(value: Any) -> bytes:
    buffer = BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def _params(factors: Factors, architecture: Architecture) -> dict[str, Any]:
    """params.json with the authors' keys."""
    return {
        "model::type": {"cnn_s": "CNN", "cnn_l": "CNN3"}[architecture.name],
        "model::channels_in": architecture.channels,
        "model::o_dim": 10,
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
