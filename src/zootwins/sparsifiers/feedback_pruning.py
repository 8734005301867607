"""Dynamic pruning with feedback (DPF, Lin et al. 2020): masked weights train on and may come back with their values.

Networks are computed with the masked weights, and their gradients move the dense ones (`population.masked_dense`). The
mask of the largest weights, ranked over the whole network, is made anew every few steps (16 in ZIB-IOL/BIMP), the
sparsity rising epoch by epoch by the cubic schedule of gradual pruning.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from zootwins.sparsifiers import pruning

if TYPE_CHECKING:
    from zootwins.population import Population
    from zootwins.population.masked_dense import MaskedDense
    from zootwins.population.trajectory import Moment, Plan
    from zootwins.sparsifiers.base import SparsifierInputs


class Settings(pruning.Settings):
    """Settings of dynamic pruning with feedback; sparsities in percent."""

    every: int = Field(16, ge=1, description="Optimiser steps after which masks are made anew.")
    end: int = Field(ge=0, description="The requested sparsity is reached after so many epochs.")

    @model_validator(mode="after")
    def _in_order(self) -> Settings:
        if self.end >= self.epochs:
            raise ValueError(f"end {self.end}, epochs {self.epochs}: has to be end < epochs; change one")
        return self

    def due(self, trained: int) -> float:
        """The share of the requested sparsity after so many epochs: 1 − (1 − p)³."""
        return 1 - (1 - min(1.0, trained / self.end)) ** 3 if self.end else 1.0


class FeedbackPruning(pruning.Pruning):
    """Masks come and go; dense weights stay."""

    id = "dpf"
    title = "Dynamic pruning with feedback"
    short = "DPF"
    colour = "#4B0092"
    section = "feedback_pruning"
    Settings = Settings

    def weights(self, settings: Settings) -> MaskedDense:
        from zootwins.population.masked_dense import MaskedDense

        return MaskedDense()

    def population(self, inputs: SparsifierInputs, settings: Settings) -> Population:
        population, weights = super().population(inputs, settings), self.weights(settings)
        return replace(population, parameters=weights.start(population.parameters), weights=weights)

    def plan(self, settings: Settings) -> Plan:
        from zootwins.population.trajectory import Plan

        change = partial(self.refresh, settings)
        return Plan(settings.epochs, (0, settings.epochs), change=change, every=settings.every)

    def refresh(self, settings: Settings, moment: Moment, population: Population) -> None:
        """Mask anew, in place; the masks are parameters of the population."""
        from zootwins.population.masked_dense import mask_of
        from zootwins.population.masks import keep_highest

        names, places = population.architecture.weight_names, len(settings.ratios)
        for place, ratio in enumerate(settings.ratios):
            magnitudes = {name: population.parameters[name][place::places].abs() for name in names}
            masks = keep_highest(magnitudes, settings.due(moment.epoch - 1) * ratio)
            for name, mask in masks.items():
                population.parameters[mask_of(name)][place::places] = mask.to(magnitudes[name].dtype)
