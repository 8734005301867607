"""Shards: one safetensors file for a block of a zoo's models and one method.

On disk every tensor starts with `[models, ratios, states, …]` for magnitude pruning (mp) and with
`[models, states, …]` for variational dropout (vd) and for originals trained here (trained); `read_shard` gives all
of them the first form, with one pseudo-ratio where there is none. States are epochs, 0 before training.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from math import nan
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from zootwins.errors import InputError
from zootwins.files import replacing

FORMAT = "zootwins-shard"
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
    """A shard on disk; tensors are read on demand, metadata at once.

    Attributes:
        models: names of the models, in the order of the tensors' first axis.
        index: their indices in models.csv.
        ratios: requested sparsities as fractions (mp), or one NaN.
        states: the epochs that accuracies, losses and sparsities are there for.
        weight_states: those that weights, biases and log σ² are there for.
        prediction_states: those that `predictions` are there for.
    """

    path: Path
    method: str
    metadata: Mapping[str, str]

    @cached_property
    def models(self) -> list[str]:
        return json.loads(self.metadata["models"])

    @cached_property
    def index(self) -> list[int]:
        return json.loads(self.metadata["index"])

    @cached_property
    def ratios(self) -> list[float]:
        return json.loads(self.metadata["ratios"]) if self.method == "mp" else [nan]

    @cached_property
    def states(self) -> list[int]:
        return json.loads(self.metadata["states"])

    @cached_property
    def weight_states(self) -> list[int]:
        return json.loads(self.metadata["weight_states"])

    @cached_property
    def prediction_states(self) -> list[int]:
        return json.loads(self.metadata["prediction_states"])

    @cached_property
    def names(self) -> list[str]:
        """Names of the tensors."""
        with safe_open(self.path, "pt") as file:
            return list(file.keys())

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor, `[models, ratios, states, …]`."""
        with safe_open(self.path, "pt") as file:
            models, *rest = file.get_slice(name).get_shape()
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
    _save(path, method, trajectory.tensors, description, metadata or {})


def _save(path, method: str, tensors: Mapping[str, Tensor], description: Mapping, provenance: Mapping) -> None:
    metadata = {"format": FORMAT, "method": method, **{key: json.dumps(value) for key, value in description.items()}}
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    metadata["checksum"] = _checksum(metadata, sorted(contiguous.items()))
    with replacing(path) as temporary:
        save_file(contiguous, temporary, metadata=metadata | dict(provenance))


def _checksum(metadata: Mapping[str, str], tensors: Iterable[tuple[str, Tensor]]) -> str:
    """blake2b of what describes a shard and of its tensors, in the order of their names."""
    checksum = blake2b(digest_size=16)
    for key in ("format", "method", *DESCRIPTION):
        checksum.update(f"{key}={metadata.get(key)}\n".encode())
    for name, tensor in tensors:
        checksum.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        checksum.update(tensor.contiguous().numpy().data)
    return checksum.hexdigest()


def read_shard(path: str | Path) -> TwinShard:
    """Open a shard, having read it once to compare it with the checksum that was written with it.

    Raises:
        InputError: if the file is not a whole shard as it was written; it names the file and how to rebuild it.
    """
    remedy = "delete it, and the next run rebuilds it"
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise InputError(f"{path}: a safetensors file, but not a twin shard of this program")
            names = sorted(file.keys())
            found = _checksum(metadata, ((name, file.get_tensor(name)) for name in names))
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a readable shard ({error}); {remedy}") from None
    if found != metadata.get("checksum"):
        raise InputError(f"{path}: damaged (its checksum does not match); {remedy}")
    return TwinShard(Path(path), metadata["method"], metadata)


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
                _save(path, shard.method, tensors, description | {"models": [name], "index": [index]}, provenance)
                return
    raise InputError(f"{path}: {model} is not among the zoo's twins; models.csv lists the models, and why some lack")
