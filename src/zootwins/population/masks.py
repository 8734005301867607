"""Which weights stay: masks by magnitude, over the whole network or layer by layer, exact to the weight."""

from collections.abc import Mapping

import torch
from torch import Tensor


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
