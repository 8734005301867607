"""Shards: one safetensors file for a block of a zoo's models and one method.

Every tensor of a trajectory is `[models, *axes, states, …]`: the method's axes (magnitude pruning: the requested
sparsity; variational dropout and originals trained here: none) stand in the file, by name and with their values. States
are epochs, 0 before training. What is no trajectory, such as final masks, lacks the states.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import isclose, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import safe_open

from zootwins.run.errors import InputError
from zootwins.storage import tensor_files
from zootwins.storage.files import remedy

if TYPE_CHECKING:
    from torch import Tensor

# float64 `[models, states]` each, so that equal shares of images are equal to the bit wherever they come from;
# eval_mode_train_accuracy is NaN but at the first and the last state.
SCORES = (
    *("train_accuracy", "train_loss", "eval_mode_train_accuracy"),
    *("validation_accuracy", "validation_loss", "test_accuracy", "test_loss"),
)
FORMER_NAMES = {"eval_mode_train_accuracy": "clean_train_accuracy"}  # of tensors in the previous version, still read
log = logging.getLogger(__name__)

OWN = ("format", "checksum", "method")  # of a shard's metadata, beside its description and where it comes from
DESCRIPTION = ("models", "index", "states", "weight_states", "prediction_states", "axes")


@dataclass(frozen=True)
class Axis:
    """One of the axes that a method spreads a model's twins over.

    Attributes:
        name: of the column that long tables have for it, such as `ratio`.
        values: such as the requested sparsities, as fractions.
    """

    name: str
    values: tuple[float, ...]


def coordinates(axes: Sequence[Axis]) -> list[dict[str, float]]:
    """Return where each of a model's twins lies on the axes, the last axis fastest; one empty mapping without axes."""
    names = [axis.name for axis in axes]
    return [dict(zip(names, values, strict=True)) for values in product(*(axis.values for axis in axes))]


def shard_ranges(models: int, models_per_shard: int) -> list[str]:
    """Return names of a zoo's shards: fixed blocks of model indices, such as `0000-0031`; the last may be shorter."""
    starts = range(0, models, models_per_shard)
    return [f"{start:04d}-{min(start + models_per_shard, models) - 1:04d}" for start in starts]


def shard_slice(shard: str) -> tuple[int, int]:
    """Return first model index of a shard and the index after its last."""
    first, last = shard.split("-")
    return int(first), int(last) + 1


@dataclass
class Trajectory:
    """What a run of training recorded: tensors as on disk, and which epochs they hold.

    `tensors` holds parameters at `weight_states`, predictions (uint8 `[…, states, samples]`) at `prediction_states`,
    and at all `states` the `SCORES` (float64 `[…, states]`) and sparsity (float32 `[…, states, layers]`).
    """

    states: list[int]
    weight_states: list[int]
    prediction_states: list[int]
    tensors: dict[str, Tensor]


@dataclass(frozen=True)
class TwinShard:
    """A shard on disk; tensors are read on demand, what describes them at once.

    Attributes:
        method: the sparsifier's id, or `trained`.
        metadata: all of the file's.
        models: names of the models, in the order of the tensors' first axis.
        index: their indices in models.csv.
        axes: what a model's twins differ by, in the order of the tensors' next axes.
        states: the epochs that accuracies, losses and sparsities are there for.
        weight_states: those that weights, biases and log σ² are there for.
        prediction_states: those that `predictions` are there for.
        shapes: shapes of the tensors, by name.
    """

    path: Path
    method: str
    metadata: Mapping[str, str]
    models: Sequence[str]
    index: Sequence[int]
    axes: Sequence[Axis]
    states: Sequence[int]
    weight_states: Sequence[int]
    prediction_states: Sequence[int]
    shapes: Mapping[str, tuple[int, ...]]

    @property
    def coordinates(self) -> list[dict[str, float]]:
        """Each twin's place on the axes, the last axis fastest; one empty mapping without axes."""
        return coordinates(self.axes)

    def twin(self, at: Mapping[str, float]) -> int:
        """Return the position among a model's twins of the one at a place on the axes."""
        (place,) = (
            place
            for place, coordinate in enumerate(self.coordinates)
            if all(isclose(coordinate[name], value) for name, value in at.items())
        )
        return place

    @property
    def diverged(self) -> Tensor:
        """Whether a twin's loss on the test images is not a finite number, bool `[models, twins, states]`.

        The loss is NaN where weights are not finite (`zootwins.population.trajectory.evaluate_state`).
        """
        return ~self.twins("test_loss").isfinite()

    @property
    def parameters(self) -> list[str]:
        """Names of what was trained: tensors that are neither masks nor scores."""
        return [name for name in self.shapes if "." in name and not name.startswith("mask.")]

    def weight_state(self, epoch: int) -> int:
        """Return the position of an epoch among the states that have weights.

        Raises:
            InputError: if the weights of that epoch were not kept.
        """
        if epoch not in self.weight_states:
            raise InputError(
                f"{self.path}: has no weights of epoch {epoch}; set keep_states: all, and twins are made again"
            )
        return list(self.weight_states).index(epoch)

    def tensor(self, name: str, model: int | None = None) -> Tensor:
        """Return a tensor, `[models, *axes, states, …]`, or only the model's at a position, `[*axes, states, …]`."""
        with safe_open(self.path, "pt") as file:
            former = FORMER_NAMES.get(name)
            if former in self.shapes:
                log.warning("%s: written by the previous version: its %s is now %s", self.path, former, name)
                name = former
            stored = file.get_slice(name)
            return stored[:] if model is None else stored[model]

    def twins(self, name: str, model: int | None = None) -> Tensor:
        """Return a tensor with the axes as one, `[models, twins, states, …]`, twins as `coordinates` lists them."""
        tensor = self.tensor(name, model)
        leading = tensor.shape[:1] if model is None else ()
        twins = prod(len(axis.values) for axis in self.axes)
        return tensor.reshape(*leading, twins, *tensor.shape[len(leading) + len(self.axes) :])


def write_trajectory(
    path: str | Path,
    method: str,
    trajectory: Trajectory,
    models: Iterable[str],
    index: Iterable[int],
    *,
    axes: Iterable[Axis] = (),
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a trajectory as a shard, whole or not at all.

    Args:
        path: the shard.
        method: the sparsifier's id, or `trained`.
        trajectory: what was recorded.
        models: names of the models.
        index: their indices in models.csv.
        axes: those of the tensors, after the models.
        metadata: provenance.
    """
    description = {
        "models": list(models),
        "index": list(index),
        "states": trajectory.states,
        "weight_states": trajectory.weight_states,
        "prediction_states": trajectory.prediction_states,
        "axes": [[axis.name, list(axis.values)] for axis in axes],
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
    description = _description(metadata)
    if "method" not in metadata or description is None or not _fits(shapes, description):
        raise InputError(f"{path}: its tensors are not those that its metadata describe; {remedy(path)}")
    return TwinShard(Path(path), metadata["method"], metadata, **description, shapes=shapes)


def _description(metadata: Mapping[str, str]) -> dict[str, Any] | None:
    """Return what a shard's metadata say of its tensors, or None if they are not lists of what they should be."""
    try:
        description = {key: json.loads(metadata[key]) for key in DESCRIPTION}
        description["axes"] = [Axis(str(name), tuple(map(float, values))) for name, values in description["axes"]]
    except (KeyError, ValueError, TypeError, RecursionError):
        return None
    kinds = {"models": str, "axes": Axis}
    for key, values in description.items():
        if not isinstance(values, list) or not all(type(value) is kinds.get(key, int) for value in values):
            return None
    return description


def _fits(shapes: Mapping[str, tuple[int, ...]], description: Mapping[str, Sequence]) -> bool:
    """Whether every tensor has the models and the axes that the description lists."""
    models, index, axes = (description[key] for key in ("models", "index", "axes"))
    leading = (len(models), *(len(axis.values) for axis in axes))
    return len(index) == len(models) and all(shape[: len(leading)] == leading for shape in shapes.values())


def warn_of_mixture(shards: Iterable[TwinShard]) -> None:
    """Warn where shards that are looked at together were trained by different engines.

    Engines agree to rounding at each step; epochs amplify it, so that a model's accuracy after many of them is only
    equal to another engine's in the mean over a zoo.
    """
    files = {shard.metadata.get("engine"): shard.path for shard in shards}
    if len(files) > 1:
        named = ", ".join(f"{path} by {engine}" for engine, path in files.items())
        log.warning("trained by different engines: %s; delete the shards of one to have all from the other", named)


def cut_model(path: str | Path, shards: Iterable[TwinShard], model: str) -> None:
    """Write one model's twins, given by name or index, as a shard of one model; where they come from stays the same.

    A name comes before an index: folders of a zoo can be called by numbers.

    Raises:
        InputError: if none of the shards holds the model.
    """
    shards = list(shards)
    is_name = any(model in shard.models for shard in shards)
    for shard in shards:
        for position, (name, index) in enumerate(zip(shard.models, shard.index, strict=True)):
            if model == name if is_name else model in (str(index), f"{index:04d}"):
                with safe_open(shard.path, "pt") as file:
                    tensors = {key: file.get_slice(key)[position : position + 1] for key in shard.shapes}
                description = {key: json.loads(shard.metadata[key]) for key in DESCRIPTION}
                description |= {"models": [name], "index": [index]}
                provenance = {key: text for key, text in shard.metadata.items() if key not in (*OWN, *DESCRIPTION)}
                _write(path, shard.method, tensors, description, provenance)
                return
    raise InputError(f"{path}: {model} is not among the zoo's twins; models.csv lists the models, and why some lack")
