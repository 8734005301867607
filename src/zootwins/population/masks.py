"""Which weights stay: masks by magnitude or another score, over the whole network or by layer, exact to the weight."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def pruning_masks(weights: Mapping[str, Tensor], ratio: float, scope: str) -> dict[str, Tensor]:
    """Which weights stay, bool of the weights' shapes, when the share `ratio` with the least magnitude goes.

    Exactly round(ratio · number of weights) are pruned; among equals the first ones go.

    Args:
        weights: `{layer}.weight`, each `[models, …]`.
        scope: "global" ranks all weights of a model together, "layer" those of each layer.
    """
    return lowest_pruned({name: weight.abs() for name, weight in weights.items()}, ratio, scope)


def lowest_pruned(scores: Mapping[str, Tensor], ratio: float, scope: str) -> dict[str, Tensor]:
    """The same for any score of the weights: those with the lowest go."""
    if scope == "layer":
        return lowest_pruned_by_layer(scores, dict.fromkeys(scores, ratio))
    joined = _keep_highest(torch.cat([score.flatten(1) for score in scores.values()], dim=1), ratio)
    parts = joined.split([score.flatten(1).shape[1] for score in scores.values()], dim=1)
    return {name: part.view_as(score) for part, (name, score) in zip(parts, scores.items(), strict=True)}


def lowest_pruned_by_layer(scores: Mapping[str, Tensor], ratios: Mapping[str, float]) -> dict[str, Tensor]:
    """The same with a share of its own for each layer, by the names of the scores."""
    return {name: _keep_highest(score.flatten(1), ratios[name]).view_as(score) for name, score in scores.items()}


def _keep_highest(scores: Tensor, ratio: float) -> Tensor:
    pruned = round(ratio * scores.shape[1])
    lowest = scores.argsort(dim=1, stable=True)[:, :pruned]
    return torch.ones_like(scores, dtype=torch.bool).scatter(1, lowest, False)


def interleaved(masks: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Masks of the same models at several ratios, each `[models, …]`, as one of `[models · ratios, …]`."""
    return {name: torch.stack([mask[name] for mask in masks], dim=1).flatten(0, 1) for name in masks[0]}
