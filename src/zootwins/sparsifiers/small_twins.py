"""Twins without the channels that pruning removed: smaller networks, after the last epoch."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zootwins.architectures.architecture import Architecture, get_architecture
from zootwins.sparsifiers.channels import kept_channels, shrunk, small_architecture, stored_channels
from zootwins.sparsifiers.twins import evaluated_parameters
from zootwins.storage import tensor_files

if TYPE_CHECKING:
    from zootwins.storage.shards import TwinShard
    from zootwins.zoos.dialects.base import RawModel

log = logging.getLogger(__name__)

KEPT = "kept."


@dataclass(frozen=True)
class SmallTwins:
    """The twins of some models at one place on the method's axes, as smaller networks.

    Attributes:
        at: the place, by the axes' names.
        architecture: a chain of layers, of all the models.
        parameters: by the architecture's names, `[models, …]`.
        places: which channels of the whole network are left, int64 `[models, channels]` by the small network's layers;
            −1 where a model keeps fewer than another one, and its channel is all 0.
    """

    at: Mapping[str, float]
    architecture: Architecture
    parameters: Mapping[str, Tensor]
    places: Mapping[str, Tensor]


def small_twins(architecture: Architecture, shards: Sequence[TwinShard]) -> list[SmallTwins]:
    """Return the twins of shards as smaller networks, at every place on the method's axes.

    Args:
        architecture: of the twins at full size.
        shards: of one zoo and method, with masks.

    Raises:
        InputError: if the network is no chain of layers, or the weights of the last epoch are not there.
    """
    made = []
    for number, at in enumerate(shards[0].coordinates):
        whole = [_final(shard, architecture, number) for shard in shards]
        parameters = {name: torch.cat([of_shard[name] for of_shard, _ in whole]) for name in whole[0][0]}
        masks = {name: torch.cat([of_shard[name] for _, of_shard in whole]) for name in whole[0][1]}
        places = stored_channels(kept_channels(architecture, masks))
        small, smaller = small_architecture(architecture, places), shrunk(architecture, parameters, places)
        renamed = dict(zip((layer.name for layer in architecture.layers), small.layers, strict=True))
        if padded := [name for name, of_layer in places.items() if (of_layer < 0).any()]:
            place = ", ".join(f"{axis} {value:g}" for axis, value in at.items())
            log.info("%s: widths differ between models in %s: filled up with zeros", place, ", ".join(padded))
        made.append(
            SmallTwins(
                at,
                small,
                dict(
                    zip(small.parameter_shapes, (smaller[name] for name in architecture.parameter_shapes), strict=True)
                ),
                {renamed[name.removesuffix(".weight")].name: of_layer for name, of_layer in places.items()},
            )
        )
    return made


def _final(shard: TwinShard, architecture: Architecture, place: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return parameters after the last epoch and masks of a shard's twins at a place, `[models, …]` by name."""
    state, axes = shard.weight_state(shard.states[-1]), len(shard.axes)
    evaluated = evaluated_parameters(shard)
    parameters = {name: evaluated[name].flatten(1, axes)[:, place, state] for name in architecture.parameter_shapes}
    return parameters, {name: shard.twins(f"mask.{name}")[:, place] for name in architecture.weight_names}


def write_small(path: str | Path, shard: TwinShard, twins: Iterable[SmallTwins], provenance: Mapping[str, str]) -> None:
    """Write a shard's smaller networks; tensors are called `{place}.{parameter}` and `{place}.kept.{layer}`."""
    twins = list(twins)
    description = {name: shard.metadata[name] for name in ("method", "models", "index", "axes")}
    description |= {
        "epoch": json.dumps(shard.states[-1]),
        "networks": json.dumps([[json.loads(one.architecture.spec), one.architecture.images] for one in twins]),
        "places": json.dumps([dict(one.at) for one in twins]),
    }
    tensors = {
        f"{number}.{name}": tensor
        for number, one in enumerate(twins)
        for name, tensor in (one.parameters | {f"{KEPT}{layer}": of for layer, of in one.places.items()}).items()
    }
    tensor_files.write(path, "small", tensors, description, provenance)


def read_small(path: str | Path) -> list[SmallTwins]:
    """Return the smaller networks of a file.

    Raises:
        InputError: if the file is not as it was written.
    """
    tensors, metadata = tensor_files.read(path, "small")
    networks, places = json.loads(metadata["networks"]), json.loads(metadata["places"])
    made = []
    for number, ((spec, images), at) in enumerate(zip(networks, places, strict=True)):
        prefix = f"{number}."
        own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        architecture = get_architecture(spec, **images)
        kept = {name.removeprefix(KEPT): tensor for name, tensor in own.items() if name.startswith(KEPT)}
        made.append(SmallTwins(at, architecture, {name: own[name] for name in architecture.parameter_shapes}, kept))
    return made


def small_models(models: Iterable[RawModel], twins: SmallTwins, originals: Sequence[str]) -> Iterator[RawModel]:
    """Yield those of raw models that are at the place of some small twins, with the smaller network as checkpoint.

    Args:
        models: of `exporting.shard_models`.
        twins: their smaller networks.
        originals: the names of the models, in the order of `twins`.
    """
    rows = {name: row for row, name in enumerate(originals)}
    for model in models:
        if all(model.labels[f"twin::{axis}"] == value for axis, value in twins.at.items()):
            row = rows[model.labels["twin::original"]]
            small = {name: tensor[row] for name, tensor in twins.parameters.items()}
            yield replace(model, checkpoints={model.history[-1]["epoch"]: small})
