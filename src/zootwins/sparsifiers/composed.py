"""Methods that are a composition: a score, an allocation, a schedule and a structure, put together by a few lines each.

A method says by `composition` what its twins of a sparsity are made by; all else is here: when masks are due, which
weights they leave, what rewinds, and whose moments start from 0.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from zootwins.sparsifiers import pruning
from zootwins.sparsifiers.composition import Composition, Moment

if TYPE_CHECKING:
    from torch import Tensor

    from zootwins.population import ImageSet, Population
    from zootwins.population.trajectory import Plan
    from zootwins.sparsifiers.base import SparsifierInputs


class Settings(pruning.Settings):
    """Settings of methods that are compositions; sparsities in percent."""

    start: Literal["trained", "init"] = Field(
        "trained", description="The weights to start from: the originals' as they are, or as they were before training."
    )
    min_left: int = Field(1, ge=0, description="So many weights of each layer stay, whatever the sparsity.")


class Composed(pruning.Pruning):
    """Twins of several sparsities, each by a composition."""

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
        population = super().population(inputs, settings)
        self.change(inputs, settings, 1, population)
        return population

    def plan(self, settings: Settings) -> Plan:
        from zootwins.population.trajectory import Plan

        return Plan(settings.epochs, prediction_states=(0, settings.epochs))

    def training(self, inputs: SparsifierInputs, settings: Settings) -> Plan:
        return replace(self.plan(settings), masks=partial(self._later, inputs, settings))

    def _later(self, inputs: SparsifierInputs, settings: Settings, epoch: int, population: Population) -> None:
        if epoch > 1:  # what is due before the first is there
            self.change(inputs, settings, epoch, population)

    def change(self, inputs: SparsifierInputs, settings: Settings, epoch: int, population: Population) -> None:
        """Do to all twins, in place, what is due before an epoch."""
        steps = 1 if inputs.data is None else -(-len(inputs.data.train) // population.batch_size)
        moment, ratios = Moment(epoch, 0, steps, settings.epochs), settings.ratios
        parts = []
        for place, ratio in enumerate(ratios):
            state = Twins(_part(population, place, len(ratios)), moment, inputs)
            _change(self.composition(settings, ratio), ratio, state)
            parts.append(state.population)
        _join(population, parts)


@dataclass
class Twins:
    """The twins of one sparsity at a moment; see `composition.State`."""

    population: Population
    moment: Moment
    inputs: SparsifierInputs

    @property
    def weights(self) -> dict[str, Tensor]:
        return {name: self.population.parameters[name] for name in self.population.architecture.weight_names}

    def images(self, count: int, name: str, per_class: bool = False) -> ImageSet:
        import torch

        from zootwins.population import ImageSet
        from zootwins.population.randomness import data_order, stream_key

        data = self.inputs.data.train
        key = torch.tensor([stream_key(self.inputs.zoo, name)], dtype=torch.int64)
        order = data_order(key, 0, len(data))[0]
        if per_class:
            labels = data.labels[order]
            chosen = torch.cat([order[labels == label][:count] for label in labels.unique().tolist()])
        else:
            chosen = order[:count]
        return ImageSet(data.images[chosen], data.labels[chosen])

    def gradients(self, images: ImageSet | None = None) -> dict[str, Tensor]:
        from zootwins.population.randomness import data_order

        data, chosen = images or self.inputs.data.train, None
        if images is None:
            first = self.moment.step * self.population.batch_size
            order = data_order(self.population.keys, self.moment.epoch, len(data))
            chosen = order[:, first : first + self.population.batch_size]
        return self._weights_of(self.inputs.engine.gradients(self.population, data, chosen))

    def image_gradients(self, images: ImageSet) -> dict[str, Tensor]:
        return self._weights_of(self.inputs.engine.image_gradients(self.population, images))

    def hessian_products(self, images: ImageSet, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return self.inputs.engine.hessian_products(self.population, images, vectors)

    def input_products(self, images: ImageSet) -> dict[str, Tensor]:
        return self.inputs.engine.input_products(self.population, images)

    def _weights_of(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: tensors[name] for name in self.population.architecture.weight_names}


def _change(composition: Composition, ratio: float, state: Twins) -> None:
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


def _masks(composition: Composition, ratio: float, state: Twins) -> dict[str, Tensor] | None:
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


def _pruned(composition: Composition, ratio: float, share: float, state: Twins) -> dict[str, Tensor]:
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
            for kind in ("parameters", "masks", "optimizer_state", "shadows")
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
    for kind in ("parameters", "masks", "optimizer_state"):
        setattr(population, kind, interleaved([getattr(part, kind) for part in parts]))
