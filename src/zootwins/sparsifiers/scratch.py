"""Training from scratch: the weights that pruning kept are trained again from new random values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from zootwins.run.settings import Once
from zootwins.sparsifiers import retraining
from zootwins.sparsifiers.base import Axis, Point, SparsifierInputs

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


class Scratch(retraining.Retraining):
    """A new seed, one for all twins of a model; those of one ratio differ by the scale of their weights alone."""

    id = "scratch"
    title = "Training from scratch"
    short = "Scratch"
    colour = "#882255"
    section = "scratch"
    Settings = Settings

    def axes(self, settings: Settings) -> tuple[Axis, ...]:
        return (*super().axes(settings), Axis("sparse_init", settings.sparse_init))

    def curve(self, settings: Settings) -> list[Point]:
        place = {"sparse_init": settings.sparse_init[0]}
        return [Point(p.value, p.epoch, {**p.at, **place}) for p in super().curve(settings)]

    def parameters(self, inputs: SparsifierInputs, settings: Settings) -> Mapping[str, Tensor]:
        return retraining.new_parameters(inputs)

    def population(self, inputs: SparsifierInputs, settings: Settings) -> Population:
        from zootwins.population.masks import interleaved

        population, scales = super().population(inputs, settings), settings.sparse_init
        plain = population.tensors
        rescaled = {name: scaled(tensor, population.masks.get(name)) for name, tensor in plain.items()}
        return replace(
            population,
            factors=[factors for factors in population.factors for _ in scales],
            keys=population.keys.repeat_interleave(len(scales)),
            parameters=interleaved([rescaled if sparse else plain for sparse in scales]),
            masks=interleaved([population.masks] * len(scales)),
        )


def scaled(parameters: Tensor, masks: Tensor | None) -> Tensor:
    """Weights `[twins, …]` × 1/√(share that the twin's mask leaves), as they are where it leaves none; biases too."""
    if masks is None:
        return parameters
    kept = masks.flatten(1).double().mean(1)
    factors = kept.where(kept > 0, 1).rsqrt().to(parameters.dtype)
    return parameters * factors.view(-1, *[1] * (parameters.ndim - 1))
