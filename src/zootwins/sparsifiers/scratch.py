"""Training from scratch: the weights that pruning kept are trained again from new random values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from zootwins.run.settings import Once
from zootwins.sparsifiers import retraining
from zootwins.sparsifiers.base import Axis, SparsifierInputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from zootwins.population import Population

SCALES = ("none", "sparse")  # in the order of the axis's values 0 and 1


class Settings(retraining.Settings):
    """Settings of training from scratch; sparsities in percent."""

    init_scales: Annotated[tuple[Literal[*SCALES], ...], Once] = Field(
        ("none",),
        min_length=1,
        description="`none`: initial weights as a dense network's; `sparse`: those of a layer × 1/√(1 − its sparsity), "
        "so that its outputs vary as much. With both, the first is at the operating points.",
    )

    @property
    def sparse_init(self) -> tuple[float, ...]:
        """The scales as values of an axis: 1 where weights are scaled."""
        return tuple(float(SCALES.index(scale)) for scale in self.init_scales)

    @property
    def axes(self) -> tuple[Axis, ...]:
        return (*super().axes, Axis("sparse_init", self.sparse_init))


class Scratch(retraining.Retraining):
    """A new seed, one for all twins of a model; those of one ratio differ by the scale of their weights alone."""

    id = "scratch"
    title = "Training from scratch"
    short = "Scratch"
    section = "scratch"
    Settings = Settings

    def parameters(self, inputs: SparsifierInputs, settings: Settings) -> Mapping[str, Tensor]:
        return retraining.new_parameters(inputs)

    def population(self, inputs: SparsifierInputs, settings: Settings) -> Population:
        import torch

        population, scales = super().population(inputs, settings), torch.tensor(settings.sparse_init) == 1
        rescaled = {name: scaled(tensor, population.masks.get(name)) for name, tensor in population.parameters.items()}
        population.replace_tensors(scales.repeat(len(population) // len(scales)), rescaled)
        return population


def scaled(parameters: Tensor, masks: Tensor | None) -> Tensor:
    """Scale weights `[twins, …]` by 1/√(share that the mask leaves), and biases; unscaled where it leaves none."""
    if masks is None:
        return parameters
    kept = masks.flatten(1).double().mean(1)
    factors = kept.where(kept > 0, 1).rsqrt().to(parameters.dtype)
    return parameters * factors.view(-1, *[1] * (parameters.ndim - 1))
