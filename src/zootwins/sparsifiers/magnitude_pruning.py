"""Magnitude pruning: the smallest weights of a trained model are set to zero, the rest is fine-tuned.

Global unstructured L1 pruning as `torch.nn.utils.prune` defines it, biases not pruned; an unpruned control is
fine-tuned the same way (paper, section 3 and Table 5).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from zootwins.population import Engine, ImageData, Population
from zootwins.population.randomness import stream_key
from zootwins.population.trajectory import Plan, Resume, ignore, record_trajectory
from zootwins.sparsifiers.settings import MagnitudePruning
from zootwins.storage.shards import Trajectory
from zootwins.zoos.originals import Originals


def pruning_masks(weights: Mapping[str, Tensor], ratio: float, scope: str) -> dict[str, Tensor]:
    """Which weights stay, bool of the weights' shapes, when the share `ratio` with the least magnitude goes.

    Exactly round(ratio · number of weights) are pruned; among equals the first ones go.

    Args:
        weights: `{layer}.weight`, each `[models, …]`.
        scope: "global" ranks all weights of a model together, "layer" those of each layer.
    """
    if scope == "layer":
        return {name: _keep_largest(weight.flatten(1), ratio).view_as(weight) for name, weight in weights.items()}
    joined = _keep_largest(torch.cat([weight.flatten(1) for weight in weights.values()], dim=1), ratio)
    parts = joined.split([weight[0].numel() for weight in weights.values()], dim=1)
    return {name: part.view_as(weight) for part, (name, weight) in zip(parts, weights.items(), strict=True)}


def _keep_largest(weights: Tensor, ratio: float) -> Tensor:
    pruned = round(ratio * weights.shape[1])
    smallest = weights.abs().argsort(dim=1, stable=True)[:, :pruned]
    return torch.ones_like(weights, dtype=torch.bool).scatter(1, smallest, False)


def pruned_population(originals: Originals, settings: MagnitudePruning, zoo: str) -> Population:
    """Every model at every ratio, ratios fastest, before fine-tuning."""
    ratios = settings.ratios
    weights = {name: originals.parameters[name] for name in originals.architecture.weight_names}
    masks = [pruning_masks(weights, ratio, settings.scope) for ratio in ratios]
    joined = {name: torch.stack([mask[name] for mask in masks], dim=1).flatten(0, 1) for name in weights}
    repeated = {name: tensor.repeat_interleave(len(ratios), dim=0) for name, tensor in originals.parameters.items()}
    return Population(
        originals.architecture,
        [f if settings.lr is None else replace(f, lr=settings.lr) for f in originals.factors for _ in ratios],
        torch.tensor(
            [stream_key(zoo, model, "mp", f"{ratio:g}") for model in originals.models for ratio in ratios],
            dtype=torch.int64,
        ),
        repeated,
        masks=joined,
    )


def fine_tune(
    engine: Engine,
    originals: Originals,
    data: ImageData,
    settings: MagnitudePruning,
    zoo: str,
    weight_states: Sequence[int] | None = None,
    resume: Resume | None = None,
    on_epoch: Callable[[int, int], None] = ignore,
) -> Trajectory:
    """Prune models at every ratio and fine-tune them.

    Returns:
        A trajectory whose tensors start with `[models, ratios, states, …]`, with predictions at the first and the
        last state, and the masks as `mask.{layer}.weight`, bool `[models, ratios, …]`.
    """
    population = pruned_population(originals, settings, zoo)
    masks = {f"mask.{name}": mask.clone() for name, mask in population.masks.items()}
    trajectory = record_trajectory(
        engine,
        population,
        data,
        Plan(settings.epochs, prediction_states=(0, settings.epochs)),
        weight_states=weight_states,
        resume=resume,
        on_epoch=on_epoch,
    )
    shape = (len(originals), len(settings.ratios))
    trajectory.tensors = {name: tensor.unflatten(0, shape) for name, tensor in (trajectory.tensors | masks).items()}
    return trajectory
