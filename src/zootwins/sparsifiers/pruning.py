"""Pruning to requested sparsities by a composition: settings, axes and twins that all such methods share."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from zootwins.run.errors import InputError
from zootwins.run.settings import Ascending, Percent
from zootwins.sparsifiers import base
from zootwins.sparsifiers.base import Axis, Point, Sparsifier, SparsifierInputs, SweepParameter, repeated, twin_keys
from zootwins.storage.shards import coordinates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from zootwins.population import Population
    from zootwins.population.trajectory import Moment, Plan
    from zootwins.sparsifiers.composition import Composition


class RatioSettings(base.Settings):
    """Settings that say how sparse twins are, in percent, by `sparsities`."""

    @property
    def ratios(self) -> tuple[float, ...]:
        """Requested sparsities as fractions, the unpruned control (0) first."""
        return (0.0, *(percent / 100 for percent in self.sparsities))

    @property
    def axes(self) -> tuple[Axis, ...]:
        """What a model's twins differ by, `ratio` first; the first values of the others are at the operating points."""
        return (Axis("ratio", self.ratios),)

    @property
    def from_initial(self) -> bool:
        """Whether twins start from the originals' weights before training."""
        return False


class Settings(RatioSettings):
    """Sparsities in percent."""

    sparsities: Annotated[tuple[Percent, ...], Ascending] = Field(
        min_length=1,
        description="Percent of the weights to prune; an unpruned control is always fine-tuned beside them.",
    )


class Pruning(Sparsifier):
    """A method that is a composition; a subclass says which one, from its settings.

    Twins of one ratio share their stream of random numbers, so that they differ by their composition and no more.
    """

    sweep = SweepParameter("sparsity", "Pruned weights, %", "{:g} % pruned")

    @abstractmethod
    def composition(self, settings: RatioSettings, at: Mapping[str, float]) -> Composition:
        """Return the composition of the twins at a place on the axes; equal settings give equal parts."""

    @property
    def stream(self) -> str:
        """What the twins' random streams are keyed by, beside zoo, model and ratio."""
        return self.id

    def axes(self, settings: RatioSettings) -> tuple[Axis, ...]:
        return settings.axes

    def curve(self, settings: RatioSettings) -> list[Point]:
        defaults = {axis.name: axis.values[0] for axis in settings.axes}
        at = [{**defaults, "ratio": ratio} for ratio in settings.ratios]
        return [Point(round(100 * place["ratio"], 6), settings.epochs, place) for place in at]

    def default_point(self, settings: RatioSettings) -> float:
        return min(settings.sparsities, key=lambda percent: abs(percent - 80))

    def dense_control(self, settings: RatioSettings) -> Point:
        return self.curve(settings)[0]

    def needs_initial(self, settings: RatioSettings) -> bool:
        return settings.from_initial

    def parameters(self, inputs: SparsifierInputs, settings: RatioSettings) -> Mapping[str, Tensor]:
        """Return what the twins of each model start from, by name, `[models, …]`."""
        return inputs.initial if settings.from_initial else inputs.originals.parameters

    def population(self, inputs: SparsifierInputs, settings: RatioSettings) -> Population:
        """Return the twins, pruned as far as is due before the first state is recorded.

        Raises:
            InputError: if a requested sparsity cannot be reached.
        """
        import torch

        from zootwins.population import Population
        from zootwins.population.trajectory import Moment

        originals, ratios, places = inputs.originals, settings.ratios, len(coordinates(settings.axes))
        compositions = self._compositions(settings)
        for composition, at in zip(compositions, coordinates(settings.axes), strict=True):
            try:  # what cannot be reached is refused here, not after training
                composition.allocation.ratios(originals.architecture, at["ratio"])
            except ValueError as error:
                raise InputError(f"{self.section}.sparsities: {error}") from None
        keys = torch.tensor(twin_keys(self.stream, inputs, [Axis("ratio", ratios)]), dtype=torch.int64)
        parameters, weights = self.parameters(inputs, settings), self.weights(settings)
        population = Population(
            originals.architecture,
            repeated(originals.factors, places, settings.lr),
            keys.repeat_interleave(places // len(ratios)),
            weights.start({name: tensor.repeat_interleave(places, dim=0) for name, tensor in parameters.items()}),
            weights=weights,
            regrows=any(composition.schedule.remembers for composition in compositions),
        )
        steps = len(population.batches(inputs.data.train)) if inputs.data else 1
        self._change(inputs, settings, True, Moment(1, 0, steps, settings.epochs), population)
        return population

    def plan(self, inputs: SparsifierInputs, settings: RatioSettings) -> Plan:
        from zootwins.population.trajectory import Plan

        every = {composition.schedule.every for composition in self._compositions(settings)}
        return Plan(
            settings.epochs,
            prediction_states=(0, settings.epochs),
            change=partial(self._change, inputs, settings, False),
            every=every.pop() if len(every) == 1 else None,
        )

    def _compositions(self, settings: RatioSettings) -> list[Composition]:
        return [self.composition(settings, at) for at in coordinates(settings.axes)]

    def _change(
        self, inputs: SparsifierInputs, settings: RatioSettings, begins: bool, moment: Moment, population: Population
    ) -> None:
        """Change the twins to what is due, `begins` being True before the first state is recorded."""
        from zootwins.sparsifiers.changes import change
        from zootwins.sparsifiers.state import State

        compositions = self._compositions(settings)
        immediate = compositions[0].schedule.immediate
        if moment.taken == 0 and begins != immediate:
            return
        change(compositions, State(population, moment, inputs, coordinates(settings.axes)))
