"""Methods that are a composition: a score, an allocation, a schedule and a structure, put together by a few lines each.

A method says by `composition` what its twins of a sparsity are made by; all else is here: when masks are due, which
weights they leave, what rewinds, and whose moments start from 0.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from zootwins.sparsifiers import pruning
from zootwins.sparsifiers.composition import Composition

if TYPE_CHECKING:
    from torch import Tensor

    from zootwins.population import Population
    from zootwins.population.trajectory import Moment, Plan
    from zootwins.sparsifiers.base import SparsifierInputs
    from zootwins.sparsifiers.state import State


class Settings(pruning.Settings):
    """Settings of methods that are compositions; sparsities in percent."""

    start: Literal["trained", "init"] = Field(
        "trained", description="The weights to start from: the originals' as they are, or as they were before training."
    )
    min_left: int = Field(1, ge=0, description="So many weights of each layer stay, whatever the sparsity.")


class Composed(pruning.Pruning):
    """State of several sparsities, each by a composition."""

    Settings = Settings

    @abstractmethod
    def composition(self, settings: Settings, ratio: float) -> Composition:
        """Return what twins of a sparsity, 0 … 1, are made by."""

    def needs_initial(self, settings: Settings) -> bool:
        return settings.start == "init"

    def parameters(self, inputs: SparsifierInputs, settings: Settings) -> Mapping[str, Tensor]:
        return inputs.initial if settings.start == "init" else inputs.originals.parameters

    def population(self, inputs: SparsifierInputs, settings: Settings) -> Population:
        """The twins before training, pruned where that is due."""
        from zootwins.population.trajectory import Moment

        population = super().population(inputs, settings)
        steps = len(population.batches(inputs.data.train))
        self.change(inputs, settings, Moment(1, 0, steps, settings.epochs), population)
        return population

    def plan(self, settings: Settings) -> Plan:
        from zootwins.population.trajectory import Plan

        return Plan(settings.epochs, prediction_states=(0, settings.epochs))

    def training(self, inputs: SparsifierInputs, settings: Settings) -> Plan:
        return replace(self.plan(settings), change=partial(self._later, inputs, settings), every=self.every(settings))

    def every(self, settings: Settings) -> int | None:
        """After how many optimiser steps masks may change, beside the boundaries of epochs; None: at these alone."""
        return self.composition(settings, settings.ratios[-1]).schedule.every

    def _later(self, inputs: SparsifierInputs, settings: Settings, moment: Moment, population: Population) -> None:
        if moment.taken:  # what is due before training is there
            self.change(inputs, settings, moment, population)

    def change(self, inputs: SparsifierInputs, settings: Settings, moment: Moment, population: Population) -> None:
        """Do to all twins, in place, what is due at a moment."""
        from zootwins.sparsifiers.state import State

        ratios, parts = settings.ratios, []
        for place, ratio in enumerate(ratios):
            state = State(_part(population, place, len(ratios)), moment, inputs, [{"ratio": ratio}])
            _change(self.composition(settings, ratio), ratio, state)
            parts.append(state.population)
        _join(population, parts)


def _change(composition: Composition, ratio: float, state: State) -> None:
    """Do to the twins of one sparsity what is due: exchange or prune, rewind, reset moments."""
    schedule, population, moment = composition.schedule, state.population, state.moment
    masks = _masks(composition, ratio, state)
    if schedule.rewinds(moment):
        population.parameters = dict(state.inputs.initial)
    if masks is not None:
        if composition.update is not None and ratio:
            population.parameters = population.parameters | composition.update(state, population.masks, masks)
        population.set_masks(masks)
    if schedule.resets_moments(moment):
        population.optimizer_state = {n: tensor * 0 for n, tensor in population.optimizer_state.items()}


def _masks(composition: Composition, ratio: float, state: State) -> dict[str, Tensor] | None:
    """The masks that are due, or None if those that there are stay."""
    import torch

    from zootwins.sparsifiers.growth import replaced_counts, replaced_masks

    schedule, population = composition.schedule, state.population
    if ratio and (fraction := schedule.exchange(state.moment)):
        counts = replaced_counts(population.masks, fraction)
        return replaced_masks(state.weights, population.masks, composition.growth(state), counts)
    due = schedule.progress(state.moment, ratio)
    if due is None:
        return None
    if not due * ratio:
        return {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in state.weights.items()}
    for done in range(1, schedule.rounds + 1):
        share = 1 - (1 - due * ratio) ** (done / schedule.rounds)
        masks = _pruned(composition, ratio, share if schedule.rounds > 1 else due * ratio, state)
        if done < schedule.rounds:
            population.set_masks(masks)
    return masks


def _pruned(composition: Composition, ratio: float, share: float, state: State) -> dict[str, Tensor]:
    """The masks of a share of all weights pruned; what is masked stays so."""
    import torch

    architecture, structure = state.population.architecture, composition.structure
    ranking = composition.allocation.ranking(structure.group(architecture, composition.score(state)))
    for name, mask in state.population.masks.items():
        if name in ranking and ranking[name].shape == mask.shape:
            ranking[name] = ranking[name].double().masked_fill(~mask, -torch.inf)
    ratios = composition.allocation.ratios(architecture, ratio)
    due = share if ratios is None else {name: of_layer * share / ratio for name, of_layer in ratios.items()}
    return structure.expand(architecture, structure.choose(ranking, due, composition.min_left))


def _part(population: Population, place: int, places: int) -> Population:
    """The twins at one of the places on the axes, which follow each other in turn."""
    rows = slice(place, None, places)
    return replace(
        population,
        factors=population.factors[rows],
        keys=population.keys[rows],
        **{
            kind: {name: tensor[rows] for name, tensor in getattr(population, kind).items()}
            for kind in ("parameters", "masks", "optimizer_state", "buffers", "shadows")
        },
    )


def _join(population: Population, parts: list[Population]) -> None:
    """Give a population the parameters, masks and moments of its parts, in place."""
    import torch

    from zootwins.population.masks import interleaved

    if any(part.masks for part in parts):
        for part in parts:
            dense = {n: torch.ones_like(part.parameters[n], dtype=torch.bool) for n in part.architecture.weight_names}
            part.masks = dense | dict(part.masks)
    for kind in ("parameters", "masks", "optimizer_state", "buffers"):
        setattr(population, kind, interleaved([getattr(part, kind) for part in parts]))
