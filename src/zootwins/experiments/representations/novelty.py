"""Controls for generated twins: the most similar training twin, and a noisy copy of it.

A generator that repeats its training data would not beat the nearest training twin, and one that only perturbs it would
not beat the noisy copy, which is as far from the nearest training twin as the generated one.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def nearest_twins(generated: Tensor, candidates: Sequence[Tensor]) -> Tensor:
    """Return the training twin that is nearest to each generated one by Euclidean distance, `[models, parameters]`.

    Args:
        generated: `[models, parameters]`.
        candidates: for each model, the training twins at its sparsity, `[twins, parameters]`.
    """
    return torch.stack(
        [twins[(twins - own).square().sum(1).argmin()] for own, twins in zip(generated, candidates, strict=True)]
    )


def noisy_copies(nearest: Tensor, generated: Tensor, keys: Sequence[int]) -> Tensor:
    """Return the nearest twins with Gaussian noise on the parameters that are not 0, as far away as the generated ones.

    Args:
        nearest: `[models, parameters]`.
        generated: likewise.
        keys: a random stream's key for each model.
    """
    noise = torch.stack(
        [
            torch.randn(row.shape, generator=torch.Generator().manual_seed(key))
            for row, key in zip(nearest, keys, strict=True)
        ]
    )
    noise = noise.to(nearest) * (nearest != 0)
    distance = (generated - nearest).norm(dim=1, keepdim=True)
    return nearest + noise * distance / noise.norm(dim=1, keepdim=True).clamp(min=torch.finfo(noise.dtype).tiny)
