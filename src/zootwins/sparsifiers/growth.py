"""Dynamic sparse training: weights are dropped and as many grown (RigL, Evci et al. 2020; SET, Mocanu et al. 2018)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from zootwins.sparsifiers.allocations import ranks


def replaced_counts(masks: Mapping[str, Tensor], fraction: float) -> dict[str, Tensor]:
    """Return how many weights of each layer of each model are replaced, ⌊fraction · active⌋, int64 `[models]`."""
    # 1e-9: so that 0.1 of 200 is 20, not 19
    return {name: (fraction * mask.flatten(1).sum(1).double() + 1e-9).floor().long() for name, mask in masks.items()}


def replaced_masks(
    weights: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
    growth: Mapping[str, Tensor],
    counts: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Mask the active weights of the least magnitude, and activate as many of the highest `growth`; layer by layer.

    All weights that are inactive after the drop may grow. What was dropped just now may return, and then keeps its
    value and its moments, since it was never masked; all others start from 0.

    Args:
        weights: `[models, …]`.
        masks: of the weights, True where they are active.
        growth: |∂L/∂w| for RigL, random numbers for SET; of equals the first grow.
        counts: how many are replaced, `[models]`; at most as many as are active.
    """
    return {
        name: _replaced(weights[name].flatten(1), mask.flatten(1), growth[name].flatten(1), counts[name]).view_as(mask)
        for name, mask in masks.items()
    }


def _replaced(weights: Tensor, active: Tensor, growth: Tensor, count: Tensor) -> Tensor:
    kept = active & (ranks(weights.abs().masked_fill(~active, torch.inf)) >= count[:, None])
    return kept | (ranks(-growth.double().masked_fill(kept, -torch.inf)) < count[:, None])
