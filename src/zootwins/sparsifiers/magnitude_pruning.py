"""Magnitude pruning: the smallest weights of a trained model are set to zero, the rest is fine-tuned.

Global unstructured L1 pruning as `torch.nn.utils.prune` defines it, biases not pruned; an unpruned control is
fine-tuned the same way (paper, section 3 and Table 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from zootwins.sparsifiers import base
from zootwins.sparsifiers.base import Axis, Dial, Point, Sparsifier, Start, repeated, twin_keys

if TYPE_CHECKING:
    from zootwins.population import Population
    from zootwins.population.trajectory import Plan

Percent = Annotated[float, Field(gt=0, lt=100)]


class Settings(base.Settings):
    """Settings of magnitude pruning; sparsities in percent."""

    sparsities: tuple[Percent, ...] = Field(
        min_length=1,
        description="Percent of the weights to prune; an unpruned control is always fine-tuned beside them.",
    )
    scope: Literal["global", "layer"] = Field(
        "global", description="Rank weights over the whole network or in each layer."
    )

    @field_validator("sparsities")
    @classmethod
    def _ascending(cls, sparsities: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(sparsities)) < len(sparsities):
            raise ValueError("the same sparsity stands there twice")
        return tuple(sorted(sparsities))

    @property
    def ratios(self) -> tuple[float, ...]:
        """Requested sparsities as fractions, the unpruned control (0) first."""
        return (0.0, *(percent / 100 for percent in self.sparsities))


class MagnitudePruning(Sparsifier):
    """One-shot pruning at several ratios, each fine-tuned with its mask fixed."""

    id = "mp"
    title = "Magnitude pruning"
    short = "MP"
    colour = "#0072B2"
    section = "magnitude_pruning"
    dial = Dial("sparsity", "Pruned weights, %", "{:g} % pruned")
    Settings = Settings

    def axes(self, settings: Settings) -> tuple[Axis, ...]:
        return (Axis("ratio", settings.ratios),)

    def curve(self, settings: Settings) -> list[Point]:
        return [Point(round(100 * ratio, 6), settings.epochs, {"ratio": ratio}) for ratio in settings.ratios]

    def usual(self, settings: Settings) -> float:
        return min(settings.sparsities, key=lambda percent: abs(percent - 80))

    def population(self, start: Start, settings: Settings) -> Population:
        import torch

        from zootwins.population import Population
        from zootwins.population.masks import pruning_masks

        originals, ratios = start.originals, settings.ratios
        weights = {name: originals.parameters[name] for name in originals.architecture.weight_names}
        masks = [pruning_masks(weights, ratio, settings.scope) for ratio in ratios]
        population = Population(
            originals.architecture,
            repeated(originals.factors, len(ratios), settings.lr),
            torch.tensor(twin_keys(self.id, start, self.axes(settings)), dtype=torch.int64),
            {name: tensor.repeat_interleave(len(ratios), dim=0) for name, tensor in originals.parameters.items()},
        )
        population.set_masks(
            {name: torch.stack([mask[name] for mask in masks], dim=1).flatten(0, 1) for name in weights}
        )
        return population

    def plan(self, settings: Settings) -> Plan:
        from zootwins.population.trajectory import Plan

        return Plan(settings.epochs, prediction_states=(0, settings.epochs))
