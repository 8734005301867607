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
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.storage.shards import coordinates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from zootwins.population import Population
    from zootwins.population.trajectory import Moment, Plan
    from zootwins.sparsifiers.composition import Composition

    Places = Sequence[Mapping[str, float]]  # on a method's axes, by their names


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
    def start_epoch(self) -> int | None:
        """The epoch of the originals' training that twins start from; None: the originals as they are."""
        return None


class Settings(RatioSettings):
    """Sparsities in percent."""

    sparsities: Annotated[tuple[Percent, ...], Ascending] = Field(
        min_length=1,
        description="Percent of the weights to prune; an unpruned control is always fine-tuned beside them.",
    )


def check_masks(key: str, method: str, settings: RatioSettings, others: Mapping[str, base.Settings]) -> RatioSettings:
    """Return the settings of another method of a zoo, which has masks of all sparsities of some settings.

    Args:
        key: that names the method.
        method: its name.
        settings: whose sparsities are needed.
        others: the settings of all methods of the zoo.

    Raises:
        ValueError: if it has not, with what to do.
    """
    of_masks = others.get(method)
    if of_masks is None:
        raise ValueError(
            f"{key}: {method!r} is no method of this zoo; add it to the configuration's twins, take those of another"
        )
    if not get_sparsifier(method).has_masks(of_masks):
        known = ", ".join(one for one, own in others.items() if get_sparsifier(one).has_masks(own))
        raise ValueError(
            f"{key}: {method} has no masks of its own; take those of {known or 'mp, which is not run here'}"
        )
    lacking = [f"{percent:g}" for percent in settings.sparsities if percent not in of_masks.sparsities]
    if lacking:
        run = ", ".join(f"{percent:g}" for percent in of_masks.sparsities)
        raise ValueError(
            f"sparsities: {method} makes no mask of {' and '.join(lacking)} % (but of {run}); add them there, leave "
            "them out here"
        )
    return of_masks


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

    def earlier_epochs(self, settings: RatioSettings) -> tuple[int, ...]:
        return () if settings.start_epoch is None else (settings.start_epoch,)

    def has_masks(self, settings: RatioSettings) -> bool:
        return True

    def parameters(self, inputs: SparsifierInputs, settings: RatioSettings) -> Mapping[str, Tensor]:
        """Return what the twins of each model start from, by name, `[models, …]`."""
        start = settings.start_epoch
        return inputs.originals.parameters if start is None else inputs.earlier[start]

    def population(self, inputs: SparsifierInputs, settings: RatioSettings) -> Population:
        """Return the twins, pruned as far as is due before the first state is recorded.

        Raises:
            InputError: if a requested sparsity cannot be reached.
        """
        return self.population_at(inputs, settings, coordinates(settings.axes))

    def plan(self, inputs: SparsifierInputs, settings: RatioSettings) -> Plan:
        return self.plan_at(inputs, settings, coordinates(settings.axes))

    def population_at(self, inputs: SparsifierInputs, settings: RatioSettings, places: Places) -> Population:
        """Return the same of some places on the axes alone, the places of a model next to each other."""
        import torch

        from zootwins.population import Population
        from zootwins.population.trajectory import Moment

        originals, times = inputs.originals, len(places)
        compositions = [self.composition(settings, at) for at in places]
        for composition, at in zip(compositions, places, strict=True):
            try:  # what cannot be reached is refused here, not after training
                composition.allocation.ratios(originals.architecture, at["ratio"])
            except ValueError as error:
                raise InputError(f"{self.section}.sparsities: {error}") from None
        ratios = Axis("ratio", tuple(at["ratio"] for at in places))
        parameters, weights = self.parameters(inputs, settings), self.weights(settings)
        population = Population(
            originals.architecture,
            repeated(originals.factors, times, settings.lr),
            torch.tensor(twin_keys(self.stream, inputs, [ratios]), dtype=torch.int64),
            weights.start({name: tensor.repeat_interleave(times, dim=0) for name, tensor in parameters.items()}),
            weights=weights,
            regrows=any(composition.schedule.remembers for composition in compositions),
        )
        steps = len(population.batches(inputs.data.train)) if inputs.data else 1
        self._change(inputs, settings, places, True, Moment(1, 0, steps, settings.epochs), population)
        return population

    def plan_at(self, inputs: SparsifierInputs, settings: RatioSettings, places: Places) -> Plan:
        """Return how the twins at some places on the axes are trained."""
        from zootwins.population.trajectory import Plan

        every = {self.composition(settings, at).schedule.every for at in places}
        return Plan(
            settings.epochs,
            prediction_states=(0, settings.epochs),
            change=partial(self._change, inputs, settings, places, False),
            every=every.pop() if len(every) == 1 else None,
        )

    def changes_masks(self, settings: RatioSettings, places: Places, moment: Moment) -> bool:
        """Return whether a moment is one at which masks of twins may change."""
        schedules = [(self.composition(settings, at).schedule, at["ratio"]) for at in places]
        return any(
            schedule.progress(moment, ratio) is not None or schedule.exchange(moment) > 0
            for schedule, ratio in schedules
        )

    def _change(
        self,
        inputs: SparsifierInputs,
        settings: RatioSettings,
        places: Places,
        begins: bool,
        moment: Moment,
        population: Population,
    ) -> None:
        """Change the twins to what is due, `begins` being True before the first state is recorded."""
        from zootwins.sparsifiers.changes import change
        from zootwins.sparsifiers.state import State

        compositions = [self.composition(settings, at) for at in places]
        immediate = compositions[0].schedule.immediate
        if moment.taken == 0 and begins != immediate:
            return
        change(compositions, State(population, moment, inputs, places))
