"""What the methods that prune to requested sparsities have in common: their settings, their axis and their dial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from zootwins.run.settings import Ascending, Percent
from zootwins.sparsifiers import base
from zootwins.sparsifiers.base import Axis, Point, Sparsifier, SparsifierInputs, SweepParameter, repeated, twin_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from zootwins.population import Population


class Settings(base.Settings):
    """Sparsities in percent."""

    sparsities: Annotated[tuple[Percent, ...], Ascending] = Field(
        min_length=1,
        description="Percent of the weights to prune; an unpruned control is always fine-tuned beside them.",
    )

    @property
    def ratios(self) -> tuple[float, ...]:
        """Requested sparsities as fractions, the unpruned control (0) first."""
        return (0.0, *(percent / 100 for percent in self.sparsities))


class Pruning(Sparsifier):
    """Twins that differ by the share of their weights that is pruned; those at the last epoch are compared."""

    sweep = SweepParameter("sparsity", "Pruned weights, %", "{:g} % pruned")

    @property
    def stream(self) -> str:
        """What the twins' random streams are keyed by, beside zoo, model and ratio."""
        return self.id

    def axes(self, settings: Settings) -> tuple[Axis, ...]:
        return (Axis("ratio", settings.ratios),)

    def curve(self, settings: Settings) -> list[Point]:
        return [Point(round(100 * ratio, 6), settings.epochs, {"ratio": ratio}) for ratio in settings.ratios]

    def default_point(self, settings: Settings) -> float:
        return min(settings.sparsities, key=lambda percent: abs(percent - 80))

    def dense_control(self, settings: Settings) -> Point:
        return self.curve(settings)[0]

    def parameters(self, inputs: SparsifierInputs, settings: Settings) -> Mapping[str, Tensor]:
        """What the twins of each model start from, by name, `[models, …]`."""
        return inputs.originals.parameters

    def population(self, inputs: SparsifierInputs, settings: Settings) -> Population:
        """The twins before anything is pruned."""
        import torch

        from zootwins.population import Population

        originals, ratios = inputs.originals, settings.ratios
        return Population(
            originals.architecture,
            repeated(originals.factors, len(ratios), settings.lr),
            torch.tensor(twin_keys(self.stream, inputs, [Axis("ratio", ratios)]), dtype=torch.int64),
            {name: p.repeat_interleave(len(ratios), dim=0) for name, p in self.parameters(inputs, settings).items()},
        )
