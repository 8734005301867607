"""Shards: one safetensors file for a block of a zoo's models and one method.

On disk every tensor starts with `[models, ratios, states, …]` for magnitude pruning (mp) and with
`[models, states, …]` for variational dropout (vd) and for originals trained here (trained); `read_shard` gives all
of them the first form, with one pseudo-ratio where there is none. States are epochs, 0 before training.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor

from zootwins.run.errors import InputError
from zootwins.storage import tensor_files
from zootwins.storage.files import remedy

METHODS = ("mp", "vd", "trained")
DESCRIPTION = ("models", "index", "states", "weight_states", "prediction_states", "ratios")


@dataclass
class Trajectory:
    """What a run of training recorded: tensors as on disk, and which epochs they hold.

    `tensors` holds parameters at `weight_states`, predictions (uint8 `[…, states, samples]`) at `prediction_states`,
    and at all `states` train_accuracy, train_loss, test_accuracy, test_loss (float32 `[…, states]`) and sparsity
    (float32 `[…, states, layers]`).
    """

    states: list[int]
    weight_states: list[int]
    prediction_states: list[int]
    tensors: dict[str, Tensor]


@dataclass(frozen=True)
class TwinShard:
    """A shard on disk; tensors are read on demand, what describes them at once.

    Attributes:
        method: mp, vd or trained.
        metadata: all of the file's.
        models: names of the models, in the order of the tensors' first axis.
        index: their indices in models.csv.
        ratios: requested sparsities as fractions (mp), or one NaN.
        states: the epochs that accuracies, losses and sparsities are there for.
        weight_states: those that weights, biases and log σ² are there for.
        prediction_states: those that `predictions` are there for.
        stored_shapes: shapes of the tensors on disk, by name.
    """

    path: Path
    method: str
    metadata: Mapping[str, str]
    models: Sequence[str]
    index: Sequence[int]
    ratios: Sequence[float]
    states: Sequence[int]
    weight_states: Sequence[int]
    prediction_states: Sequence[int]
    stored_shapes: Mapping[str, tuple[int, ...]]

    @property
    def names(self) -> list[str]:
        """Names of the tensors."""
        return list(self.stored_shapes)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor, `[models, ratios, states, …]`."""
        models, *rest = self.stored_shapes[name]
        return (models, *rest) if self.method == "mp" else (models, 1, *rest)

    def tensor(self, name: str, model: int | None = None) -> Tensor:
        """A tensor, `[models, ratios, states, …]`, or only the model's at a position, `[ratios, states, …]`.

        Masks lack the states axis, and so does all that is not stored as a trajectory.
        """
        with safe_open(self.path, "pt") as file:
            stored = file.get_slice(name)
            tensor = stored[:] if model is None else stored[model]
        return tensor if self.method == "mp" else tensor.unsqueeze(1 if model is None else 0)


def write_trajectory(
    path: str | Path,
    method: str,
    trajectory: Trajectory,
    models: Iterable[str],
    index: Iterable[int],
    *,
    ratios: Iterable[float] = (),
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a trajectory as a shard, whole or not at all; its tensors are as on disk (see the module).

    Args:
        path: the shard.
        method: mp, vd or trained.
        trajectory: what was recorded.
        models: names of the models.
        index: their indices in models.csv.
        ratios: requested sparsities as fractions, for mp.
        metadata: provenance.
    """
    description = {
        "models": list(models),
        "index": list(index),
        "states": trajectory.states,
        "weight_states": trajectory.weight_states,
        "prediction_states": trajectory.prediction_states,
        "ratios": list(ratios),
    }
    _write(path, method, trajectory.tensors, description, metadata or {})


def _write(path, method: str, tensors: Mapping[str, Tensor], description: Mapping, provenance: Mapping) -> None:
    described = {"method": method} | {key: json.dumps(value) for key, value in description.items()}
    tensor_files.write(path, "shard", tensors, described, provenance)


def read_shard(path: str | Path) -> TwinShard:
    """Open a shard, having read it once to compare it with the checksum that was written with it.

    Raises:
        InputError: if the file is not a whole shard as it was written; it names the file and how to rebuild it.
    """
    metadata, shapes = tensor_files.check(path, "shard")
    method = metadata.get("method")
    description = _description(metadata)
    if method not in METHODS or description is None or not _fits(shapes, method, description):
        raise InputError(f"{path}: its tensors are not those that its metadata describe; {remedy(path)}")
    ratios = {} if method == "mp" else {"ratios": [nan]}
    return TwinShard(Path(path), method, metadata, **description | ratios, stored_shapes=shapes)


def _description(metadata: Mapping[str, str]) -> dict[str, Any] | None:
    """What a shard's metadata say of its tensors, or None if they are not lists of what they should be."""
    try:
        description = {key: json.loads(metadata[key]) for key in DESCRIPTION}
    except (KeyError, ValueError, RecursionError):
        return None
    kinds = {"models": str, "ratios": float}
    for key, values in description.items():
        if not isinstance(values, list) or not all(type(value) is kinds.get(key, int) for value in values):
            return None
    return description


def _fits(shapes: Mapping[str, tuple[int, ...]], method: str, description: Mapping[str, Sequence]) -> bool:
    """Whether every tensor has the models, and for mp the ratios, that the description lists."""
    models, index, ratios = (description[key] for key in ("models", "index", "ratios"))
    leading = (len(models), len(ratios)) if method == "mp" else (len(models),)
    return len(index) == len(models) and all(shape[: len(leading)] == leading for shape in shapes.values())


def cut_model(path: str | Path, shards: Iterable[TwinShard], model: str, provenance: Mapping[str, str]) -> None:
    """Write one model's twins, given by name or index, as a shard of one model.

    Raises:
        InputError: if none of the shards holds the model.
    """
    for shard in shards:
        for position, (name, index) in enumerate(zip(shard.models, shard.index, strict=True)):
            if model in (name, str(index), f"{index:04d}"):
                with safe_open(shard.path, "pt") as file:
                    tensors = {key: file.get_slice(key)[position : position + 1] for key in shard.names}
                description = {key: json.loads(shard.metadata[key]) for key in DESCRIPTION}
                description |= {"models": [name], "index": [index]}
                _write(path, shard.method, tensors, description, provenance)
                return
    raise InputError(f"{path}: {model} is not among the zoo's twins; models.csv lists the models, and why some lack")
