"""Magnitude pruning: the smallest weights of a trained model are set to zero, the rest is fine-tuned.

Global unstructured L1 pruning as `torch.nn.utils.prune` defines it, biases not pruned; an unpruned control is
fine-tuned the same way (paper, section 3 and Table 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from zootwins.sparsifiers import pruning
from zootwins.sparsifiers.base import SparsifierInputs

if TYPE_CHECKING:
    from zootwins.population import Population
    from zootwins.population.trajectory import Plan


class Settings(pruning.Settings):
    """Settings of magnitude pruning; sparsities in percent."""

    scope: Literal["global", "layer"] = Field(
        "global", description="Rank weights over the whole network or in each layer."
    )


class MagnitudePruning(pruning.Pruning):
    """One-shot pruning at several ratios, each fine-tuned with its mask fixed."""

    id = "mp"
    title = "Magnitude pruning"
    short = "MP"
    colour = "#0072B2"
    section = "magnitude_pruning"
    Settings = Settings

    def population(self, inputs: SparsifierInputs, settings: Settings) -> Population:
        from zootwins.population.masks import interleaved, pruning_masks

        originals = inputs.originals
        weights = {name: originals.parameters[name] for name in originals.architecture.weight_names}
        population = super().population(inputs, settings)
        population.set_masks(interleaved([pruning_masks(weights, ratio, settings.scope) for ratio in settings.ratios]))
        return population

    def plan(self, settings: Settings) -> Plan:
        from zootwins.population.trajectory import Plan

        return Plan(settings.epochs, prediction_states=(0, settings.epochs))
