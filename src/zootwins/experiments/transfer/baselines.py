"""Twins with as many weights of each layer pruned as by magnitude pruning, but at random places."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from zootwins.architectures.architecture import Architecture
from zootwins.catalogue.candidates import MASKS_OF, RANDOM
from zootwins.experiments.transfer.backbones import twin_parameters
from zootwins.population import Engine, ImageData, Population
from zootwins.population.randomness import weight_words
from zootwins.population.trajectory import Plan, ignore, record_trajectory
from zootwins.sparsifiers.base import Point, SparsifierInputs, repeated, twin_keys
from zootwins.sparsifiers.magnitude_pruning import Settings
from zootwins.storage.resume import Resume
from zootwins.storage.shards import Axis, Trajectory


def random_masks(architecture: Architecture, keys: Tensor, kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Draw masks with as many weights of each layer as others, by the twins' keys.

    Args:
        architecture: the networks'.
        keys: int64 `[twins]`.
        kept: `{layer}.weight` → bool `[twins, …]`, whose counts are taken.
    """
    offsets = architecture.gate_offsets
    words = weight_words(keys, offsets[-1])
    masks = {}
    for layer, offset in zip(architecture.layers, offsets[:-1], strict=True):
        mask = kept[f"{layer.name}.weight"]
        places = words[:, offset : offset + layer.weights].argsort(dim=1, stable=True).argsort(dim=1)
        masks[f"{layer.name}.weight"] = (places < mask.flatten(1).sum(1, keepdim=True)).view_as(mask)
    return masks


def axis(points: list[Point]) -> Axis:
    """Return the twins' axis: the ratios of magnitude pruning whose counts they have."""
    return Axis("ratio", tuple(point.at["ratio"] for point in points))


def prune_at_random(
    engine: Engine,
    inputs: SparsifierInputs,
    points: list[Point],
    settings: Settings,
    data: ImageData,
    resume: Resume | None = None,
    on_epoch: Callable[[int, int], None] = ignore,
) -> Trajectory:
    """Prune a shard of originals at random and fine-tune them, as long as magnitude pruning does.

    Args:
        engine: what trains.
        inputs: the originals, and their twins by magnitude pruning.
        points: of magnitude pruning, whose counts of weights are taken.
        settings: magnitude pruning's.
        data: what the zoo was trained on.
        resume: where an interrupted run continues.
        on_epoch: called after every epoch.

    Returns:
        A trajectory whose tensors start with `[models, points, states, …]`.
    """
    originals, times = inputs.originals, len(points)
    twins = [twin_parameters(inputs.twins[MASKS_OF], point, settings, MASKS_OF) for point in points]
    kept = {
        name: torch.stack([each[name] != 0 for each in twins], dim=1).flatten(0, 1)
        for name in originals.architecture.weight_names
    }
    keys = torch.tensor(twin_keys(RANDOM, inputs, (axis(points),)), dtype=torch.int64)
    population = Population(
        originals.architecture,
        repeated(originals.factors, times, settings.lr),
        keys,
        {name: tensor.repeat_interleave(times, dim=0) for name, tensor in originals.parameters.items()},
        random_masks(originals.architecture, keys, kept),
    )
    plan = Plan(settings.epochs)
    trajectory = record_trajectory(
        engine, population, data, plan, weight_states=[settings.epochs], resume=resume, on_epoch=on_epoch
    )
    grid = (len(originals), times)
    trajectory.tensors = {name: tensor.unflatten(0, grid) for name, tensor in trajectory.tensors.items()}
    return trajectory
