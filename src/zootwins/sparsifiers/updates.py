"""Second-order pruning: what a weight's removal costs, and how the weights that stay make up for it.

Optimal brain surgeon (Hassibi and Stork 1992) with two curvatures: the Fisher information of blocks of weights
(WoodFisher, Singh and Alistarh 2020), and the Hessian of the squared error of a layer's outputs (OBC, Frantar and
Alistarh 2022).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from zootwins.run.settings import NotNegative, Positive
from zootwins.sparsifiers.state import State

# The settings of parts with the same curvature, here and among the scores.
FisherImages = Annotated[int, Field(ge=1, description="Training images whose gradients make the Fisher information.")]
FisherBlock = Annotated[int, Field(ge=1, le=1000, description="Neighbouring weights of a layer in one block.")]
FisherDamping = Annotated[Positive, Field(description="Added to the diagonal.")]
InputImages = Annotated[int, Field(ge=1, description="Training images that inputs are measured on.")]
InputDamping = Annotated[NotNegative, Field(description="Times the mean of the Hessian's diagonal, added to it.")]
_AT_ONCE = 1 << 28  # bytes of matrices, one for each row of weights


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


def output_hessian(products: Tensor, images: int) -> Tensor:
    """Return 2/n·XXᵀ, the Hessian of a layer's outputs, `[models, fan-in, fan-in]`.

    Args:
        products: XXᵀ of the layer's inputs over images and positions.
        images: n; positions are not counted, as in IST-DASLab/OBC.
    """
    return 2 / images * products


def removal_costs(weight: Tensor, hessian: Tensor, damping: float = 0.0) -> Tensor:
    """Return what a weight's removal costs in optimal brain compression, float64 `[models, outputs, …]`; the lowest go.

    Row by row the weight with the least w²/[H⁻¹]qq goes and the row's others make up for it, until none is left. The
    costs of a row's removals are in ascending order, so that a row loses as many as are among the cheapest of a layer,
    and those first that went first (IST-DASLab/OBC, trueobs.py). Weights of inputs that are always 0 cost nothing.

    Args:
        weight: `[models, outputs, …]`.
        hessian: of the layer's outputs.
        damping: × the mean of the Hessian's diagonal, added to the diagonal.
    """
    rows = weight.double().flatten(2).masked_fill(_always_zero(hessian)[:, None], 0)
    inverses = torch.linalg.inv(_regular(hessian, damping))
    # model by model, so that a layer's inverses stay in the cache, and some rows at a time, since each has its own
    parts = [
        torch.cat([_removals(some, inverse) for some in of_model.split(_rows_at_once(hessian))])
        for of_model, inverse in zip(rows, inverses, strict=True)
    ]
    return torch.stack(parts).view_as(weight)


def _rows_at_once(hessian: Tensor) -> int:
    """Return how many rows' matrices of the Hessian's size fit into memory together."""
    return max(1, _AT_ONCE // (8 * hessian.shape[1] ** 2))


def _removals(rows: Tensor, inverse: Tensor) -> Tensor:
    """Remove one model's weights `[outputs, inputs]` in turn, and return what that costs, ascending in each row."""
    inverses = inverse.repeat(len(rows), 1, 1)
    left = torch.ones_like(rows, dtype=torch.bool)
    costs, indices = [], []
    for _ in range(rows.shape[1]):
        diagonal = inverses.diagonal(dim1=1, dim2=2)
        cost, index = (rows.square() / diagonal).masked_fill(~left, torch.inf).min(1, keepdim=True)
        column = inverses.gather(2, index[..., None].expand(-1, rows.shape[1], 1))
        step = column[..., 0] / diagonal.gather(1, index)
        left = left.scatter(1, index, False)
        rows = (rows - rows.gather(1, index) * step).masked_fill(~left, 0)
        inverses.baddbmm_(column, step[:, None], alpha=-1)
        costs.append(cost / 2)
        indices.append(index)
    in_order = torch.cat(costs, dim=1).sort(1).values
    return torch.empty_like(rows).scatter(1, torch.cat(indices, dim=1), in_order)


def least_squares(weight: Tensor, hessian: Tensor, kept: Tensor, damping: float = 0.0) -> Tensor:
    """Return each row's weights of the least squared error of the layer's outputs, those not kept being 0.

    Optimal brain compression has this result in whichever order weights are pruned.

    Args:
        weight: `[models, outputs, …]`, dense.
        hessian: as of `removal_costs`.
        damping: as of `removal_costs`.
        kept: bool of the weight's shape.
    """
    rows = weight.double().flatten(2).masked_fill(_always_zero(hessian)[:, None], 0)
    at_once = _rows_at_once(hessian)
    solved = [
        torch.cat([_solved(*part, regular) for part in zip(row.split(at_once), support.split(at_once), strict=True)])
        for row, support, regular in zip(rows, kept.flatten(2), _regular(hessian, damping), strict=True)
    ]
    return torch.stack(solved).view_as(weight).to(weight.dtype)


def _solved(rows: Tensor, support: Tensor, hessian: Tensor) -> Tensor:
    """Return one model's weights `[outputs, inputs]` of the least squared error where `support` is True, else 0."""
    both = support[..., None] & support[..., None, :]
    system = torch.where(both, hessian, torch.diag_embed((~support).double()))
    target = (hessian @ rows[..., None])[..., 0].masked_fill(~support, 0)
    return torch.linalg.solve(system, target).masked_fill(~support, 0)


def _always_zero(hessian: Tensor) -> Tensor:
    """Return inputs that are 0 in all images, bool `[models, inputs]`."""
    return hessian.diagonal(dim1=1, dim2=2) == 0


def _regular(hessian: Tensor, damping: float) -> Tensor:
    """Return the Hessian with 1 on the diagonal for inputs that are always 0, and damped."""
    hessian = hessian + torch.diag_embed(_always_zero(hessian).double())
    ridge = damping * hessian.diagonal(dim1=1, dim2=2).mean(1, keepdim=True).expand(-1, hessian.shape[1])
    return hessian + torch.diag_embed(ridge)


@dataclass(frozen=True)
class FisherUpdate:
    """WoodFisher's update of the weights that stay, with the Fisher information of `scores.FisherSaliency`."""

    images: FisherImages = 400
    block: FisherBlock = 50
    damping: FisherDamping = 1e-5

    def __call__(self, state: State, old: Mapping[str, Tensor], new: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the updated weights."""
        return joined(
            state_fisher(part, self.images, self.block, self.damping).updated(part.weights, _cut(new, twins))
            for twins, part in fisher_parts(state, self.images, self.block)
        )


def joined(parts: Iterable[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return tensors `[twins, …]` by name, of parts of the twins."""
    parts = list(parts)
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _cut(tensors: Mapping[str, Tensor], twins: slice) -> dict[str, Tensor]:
    return {name: tensor[twins] for name, tensor in tensors.items()}


def fisher_parts(state: State, images: int, block: int) -> Iterator[tuple[slice, State]]:
    """Yield the twins in parts for which gradients of so many images, and blocks of their products, fit in memory."""
    weights = state.population.architecture.weights
    return state.parts(weights * (4 * images + 16 * block), "Fisher information (gradients of single images)")


def input_parts(state: State) -> Iterator[tuple[slice, State]]:
    """Yield the twins in parts for which the Hessians of all layers' outputs fit in memory."""
    fan_ins = [layer.weights // layer.outputs for layer in state.population.architecture.layers]
    return state.parts(16 * sum(fan_in**2 for fan_in in fan_ins), "the Hessian of the layers' outputs")


def state_fisher(state: State, images: int, block: int, damping: float) -> BlockFisher:
    """Estimate the Fisher information of twins from so many training images; the gradients of masked weights are 0."""
    gradients = state.image_gradients(state.images(images, "fisher"))
    masks = state.population.masks
    masked = {name: g.masked_fill(~masks[name][:, None], 0) if name in masks else g for name, g in gradients.items()}
    return block_fisher(masked, block, damping)


@dataclass(frozen=True)
class LeastSquares:
    """Optimal brain compression's update: each layer's outputs change as little as they can on some training images.

    Inputs are those of the network as it is, before this change of masks.
    """

    images: InputImages = 1024
    damping: InputDamping = 0.01

    def __call__(self, state: State, old: Mapping[str, Tensor], new: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the updated weights."""
        return joined(self._updated(part, _cut(new, twins)) for twins, part in input_parts(state))

    def _updated(self, state: State, kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
        hessians = state_hessians(state, self.images)
        return {
            name: least_squares(weight, hessians[name], kept[name], self.damping)
            for name, weight in state.weights.items()
        }


def state_hessians(state: State, images: int) -> dict[str, Tensor]:
    """Return the Hessian of each layer's outputs on so many training images, by the weights' names."""
    chosen = state.images(images, "layer inputs")
    return {name: output_hessian(product, len(chosen)) for name, product in state.input_products(chosen).items()}
