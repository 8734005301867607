"""Shards: one safetensors file for a block of a zoo's models and one method.

On disk every tensor starts with `[models, ratios, states, …]` for magnitude pruning (mp) and with
`[models, states, …]` for variational dropout (vd) and for originals trained here (trained); `read_shard` gives all
of them the first form, with one pseudo-ratio where there is none. States are epochs, 0 before training.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import nan
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from zootwins.errors import InputError
from zootwins.files import replacing


def shard_ranges(models: int, models_per_shard: int) -> list[str]:
    """Names of a zoo's shards: fixed blocks of model indices, such as `0000-0031`; the last may be shorter."""
    starts = range(0, models, models_per_shard)
    return [f"{start:04d}-{min(start + models_per_shard, models) - 1:04d}" for start in starts]


def shard_slice(shard: str) -> tuple[int, int]:
    """First model index of a shard and the index after its last."""
    first, last = shard.split("-")
    return int(first), int(last) + 1


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

    def tensor(self, name: str, model: int | None = None) -> Tensor:
        """A tensor, `[models, ratios, states, …]`, or only the model's at a position, `[ratios, states, …]`.

        Masks lack the states axis, and so does all that is not stored as a trajectory.
        """
        with safe_open(self.path, "pt") as file:
            stored = file.get_slice(name)
            tensor = stored[:] if model is None else stored[model]
        return tensor if self.method == "mp" else tensor.unsqueeze(1 if model is None else 0)


def write_shard(
    path: str | Path,
    method: str,
    tensors: Mapping[str, Tensor],
    *,
    models: Iterable[str],
    index: Iterable[int],
    states: Iterable[int],
    weight_states: Iterable[int],
    prediction_states: Iterable[int],
    ratios: Iterable[float] = (),
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a shard whole or not at all; the tensors as on disk (see the module)."""
    description = {
        "format": "zootwins-shard",
        "method": method,
        "models": json.dumps(list(models)),
        "index": json.dumps(list(index)),
        "states": json.dumps(list(states)),
        "weight_states": json.dumps(list(weight_states)),
        "prediction_states": json.dumps(list(prediction_states)),
        "ratios": json.dumps(list(ratios)),
    }
    with replacing(path) as temporary:
        save_file(
            {name: tensor.contiguous() for name, tensor in tensors.items()},
            temporary,
            metadata=description | dict(metadata or {}),
        )


def read_shard(path: str | Path) -> TwinShard:
    """Open a shard.

    Raises:
        InputError: if the file is not a whole shard; it names the file and how to rebuild it.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a readable shard ({error}); delete it, and the next run rebuilds it") from None
    if metadata.get("format") != "zootwins-shard":
        raise InputError(f"{path}: a safetensors file, but not a twin shard of this program")
    return TwinShard(Path(path), metadata["method"], metadata)
