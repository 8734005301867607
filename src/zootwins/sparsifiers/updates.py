"""Second-order pruning: what a weight's removal costs, and how the weights that stay make up for it.

Optimal brain surgeon (Hassibi and Stork 1992) with two curvatures: the Fisher information of blocks of weights
(WoodFisher, Singh and Alistarh 2020), and the Hessian of the squared error of a layer's outputs (OBC, Frantar and
Alistarh 2022).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from zootwins.sparsifiers.allocations import ranks


@dataclass(frozen=True)
class BlockFisher:
    """The inverse of λI + (1/m)Σ g·gᵀ in blocks of neighbouring weights of a layer, float64.

    Attributes:
        inverses: by the weight's name, the blocks `[models, size, size]` in the order of the weights; the last of a
            layer may be smaller.
    """

    inverses: Mapping[str, list[Tensor]]

    def saliency(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return w²/[F⁻¹]qq, what the removal of each weight alone costs, `[models, …]`; the lowest go first."""
        return {name: weight.double().square() / self._diagonal(name, weight) for name, weight in weights.items()}

    def updated(self, weights: Mapping[str, Tensor], kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the weights after removal of those not kept, as if these were independent, in the weights' type.

        δ = −F⁻¹ Σ_q e_q·w_q/[F⁻¹]qq; then what is not kept is 0. Weights that were 0 before move nothing.
        """
        return {name: self._updated(name, weight, kept[name]) for name, weight in weights.items()}

    def _diagonal(self, name: str, weight: Tensor) -> Tensor:
        return torch.cat([block.diagonal(dim1=1, dim2=2) for block in self.inverses[name]], dim=1).view_as(weight)

    def _updated(self, name: str, weight: Tensor, kept: Tensor) -> Tensor:
        shares = (weight.double() / self._diagonal(name, weight)).masked_fill(kept, 0).flatten(1)
        blocks = self.inverses[name]
        parts = shares.split([block.shape[1] for block in blocks], dim=1)
        steps = [(block @ part[..., None])[..., 0] for block, part in zip(blocks, parts, strict=True)]
        moved = weight.double() - torch.cat(steps, dim=1).view_as(weight)
        return moved.to(weight.dtype).masked_fill(~kept, 0)


def block_fisher(gradients: Mapping[str, Tensor], block: int, damping: float) -> BlockFisher:
    """Estimate and invert the empirical Fisher information.

    Args:
        gradients: of the loss of one image each, by the weight's name, `[models, images, *weight]`; 0 where a weight is
            masked.
        block: how many weights a block has at most.
        damping: λ, added to the diagonal.
    """
    return BlockFisher(
        {
            name: [_inverse_fisher(part, damping) for part in gradient.flatten(2).double().split(block, dim=2)]
            for name, gradient in gradients.items()
        }
    )


def _inverse_fisher(gradients: Tensor, damping: float) -> Tensor:
    size, images = gradients.shape[2], gradients.shape[1]
    fisher = gradients.mT @ gradients / images
    return torch.linalg.inv(fisher + damping * torch.eye(size, dtype=fisher.dtype))


def output_hessian(inputs: Tensor, images: int) -> Tensor:
    """Return 2/n·XᵀX of a layer's inputs, float64 `[models, fan-in, fan-in]`.

    Args:
        inputs: `[models, images · positions, fan-in]`.
        images: n; positions are not counted, as in IST-DASLab/OBC.
    """
    return 2 / images * inputs.double().mT @ inputs.double()


def surgeon(weight: Tensor, hessian: Tensor, pruned: int, damping: float = 0.0) -> Tensor:
    """Prune a layer by optimal brain compression; `pruned` weights of each model become 0, the others make up for it.

    Row by row the weight with the least w²/[H⁻¹]qq goes and the row's others are adjusted, until none is left; then
    each row takes as many of its removals as are among the `pruned` cheapest of the layer. Weights of inputs that are
    always 0 go first and cost nothing (IST-DASLab/OBC, trueobs.py).

    Args:
        weight: `[models, outputs, …]`.
        hessian: of the layer's outputs.
        damping: × the mean of the Hessian's diagonal, added to the diagonal.
    """
    dead = hessian.diagonal(dim1=1, dim2=2) == 0
    hessian = hessian + torch.diag_embed(dead.double())
    ridge = damping * hessian.diagonal(dim1=1, dim2=2).mean(1, keepdim=True).expand(-1, hessian.shape[1])
    rows = weight.double().flatten(2).masked_fill(dead[:, None], 0)
    losses, states = _removals(rows, hessian + torch.diag_embed(ridge))
    cheapest = ranks(losses.flatten(1)).view_as(losses) < pruned
    removals = cheapest.sum(2)[..., None, None].expand(-1, -1, 1, rows.shape[2])
    return states.gather(2, removals)[:, :, 0].view_as(weight).to(weight.dtype)


def _removals(rows: Tensor, hessian: Tensor) -> tuple[Tensor, Tensor]:
    """Remove the weights of each row one by one.

    Args:
        rows: `[models, rows, inputs]`.

    Returns:
        The loss of every removal in turn, `[models, rows, inputs]`, and the row before the first and after each,
        `[models, rows, 1 + inputs, inputs]`.
    """
    inputs = rows.shape[2]
    inverse = torch.linalg.inv(hessian)[:, None].repeat(1, rows.shape[1], 1, 1)
    left = torch.ones_like(rows, dtype=torch.bool)
    losses, states = [], [rows]
    for _ in range(inputs):
        diagonal = inverse.diagonal(dim1=2, dim2=3)
        cost, index = (rows.square() / diagonal).masked_fill(~left, torch.inf).min(2, keepdim=True)
        column = inverse.gather(3, index[..., None].expand(-1, -1, inputs, 1))[..., 0]
        step = column / diagonal.gather(2, index)
        left = left.scatter(2, index, False)
        rows = (rows - rows.gather(2, index) * step).masked_fill(~left, 0)
        inverse = inverse - column[..., None] * step[..., None, :]
        losses.append(cost[..., 0] / 2)
        states.append(rows)
    return torch.stack(losses, dim=2), torch.stack(states, dim=2)
