"""Gradual magnitude pruning: while a trained model trains on, ever more of its smallest weights are set to zero.

Zhu and Gupta (2017), as The State of Sparsity (Gale, Elsen, Hooker 2019) uses it, with three differences: twins start
from trained models unless `start: init`; masks change at the boundaries of epochs; what is masked stays masked, as in
JaxPruner, unless `regrow`, while in the authors' code it can come back and has moved meanwhile, by momentum and decay.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from zootwins.run.errors import InputError
from zootwins.run.settings import Once
from zootwins.sparsifiers import pruning
from zootwins.sparsifiers.base import Axis, Point, SparsifierInputs
from zootwins.storage.shards import coordinates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from zootwins.architectures.architecture import Architecture
    from zootwins.population import Population
    from zootwins.population.trajectory import Moment, Plan


DISTRIBUTIONS = ("uniform", "global", "extended")  # in the order of the axis's values 0, 1 and 2
LAST_LAYER_LIMIT = 0.8  # of the last layer's sparsity in the authors' extended runs


class Schedule(pruning.Settings):
    """Sparsities in percent, and when they are reached; the first of the ends is at the operating points."""

    begin: int = Field(0, ge=0, description="Nothing is pruned before so many epochs.")
    ends: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Once] = Field(
        min_length=1,
        description="The requested sparsity is reached after so many epochs; those that are left fine-tune. Of "
        "several, each has twins of its own, and the first is at the operating points.",
    )
    start: Literal["trained", "init"] = Field(
        "trained", description="The weights to start from: the originals' as they are, or as they were before training."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Schedule:
        for end in self.ends:
            if not self.begin <= end < self.epochs:
                raise ValueError(
                    f"begin {self.begin}, ends {end}, epochs {self.epochs}: has to be begin ≤ end < epochs; change one"
                )
        return self

    def progress(self, epochs: int, end: float) -> float:
        """The share of the requested sparsity that is due after so many epochs: 1 − (1 − p)³."""
        if self.begin == end:
            return float(epochs >= end)
        passed = min(max((epochs - self.begin) / (end - self.begin), 0.0), 1.0)
        return 1 - (1 - passed) ** 3


class Settings(Schedule):
    """Settings of gradual magnitude pruning; sparsities in percent."""

    distributions: Annotated[tuple[Literal[*DISTRIBUTIONS], ...], Once] = Field(
        ("uniform",),
        min_length=1,
        description="`uniform`: the same sparsity in every layer; `global`: weights ranked over the whole network; "
        "`extended`: the first layer dense, the last at most 80 % sparse, the others as sparse as the whole then "
        "needs. Of several, each has twins of its own, and the first is at the operating points.",
    )
    regrow: bool = Field(
        False,
        description="Masked weights are ranked again as they were when they were masked, and come back so.",
    )


class Gradual(pruning.Pruning):
    """Pruning by a schedule; a method says by which scores.

    Twins of one ratio share their stream of random numbers, so that they differ by their schedule and no more.
    """

    @abstractmethod
    def scores(self, population: Population) -> dict[str, Tensor]:
        """What weights are ranked by, `[twins, …]`, ≥ 0; the lowest go first."""

    def layer_ratios(self, architecture: Architecture, at: Mapping[str, float]) -> dict[str, float] | None:
        """The layers' sparsities of a twin, by the weights' names; None: as one ranking of all has it."""
        return dict.fromkeys(architecture.weight_names, at["ratio"])

    def axes(self, settings: Schedule) -> tuple[Axis, ...]:
        # also of one end: files and columns are the same however many there are
        return (*super().axes(settings), Axis("end", tuple(map(float, settings.ends))))

    def curve(self, settings: Schedule) -> list[Point]:
        defaults = {axis.name: axis.values[0] for axis in self.axes(settings)}
        return [replace(point, at={**defaults, **point.at}) for point in super().curve(settings)]

    def needs_initial(self, settings: Schedule) -> bool:
        return settings.start == "init"

    def parameters(self, inputs: SparsifierInputs, settings: Schedule) -> Mapping[str, Tensor]:
        return inputs.initial if settings.start == "init" else inputs.originals.parameters

    def population(self, inputs: SparsifierInputs, settings: Schedule) -> Population:
        population = super().population(inputs, settings)
        times = len(coordinates(self.axes(settings))) // len(settings.ratios)
        return replace(
            population,
            factors=[factors for factors in population.factors for _ in range(times)],
            keys=population.keys.repeat_interleave(times),
            parameters={name: p.repeat_interleave(times, dim=0) for name, p in population.tensors.items()},
        )

    def plan(self, settings: Schedule) -> Plan:
        from zootwins.population.trajectory import Plan

        return Plan(settings.epochs, prediction_states=(0, settings.epochs), change=partial(self.change, settings))

    def change(self, settings: Schedule, moment: Moment, population: Population) -> None:
        """Set the masks that are due; see `Plan.change`."""
        if (masks := self.masks(settings, moment.epoch, population)) is not None:
            population.set_masks(masks)

    def masks(self, settings: Schedule, epoch: int, population: Population) -> dict[str, Tensor] | None:
        """The masks that the schedule asks for before an epoch; see `Plan.masks`.

        They are nested in those that there are, unless the population regrows. Twins whose schedule has ended keep
        theirs.
        """
        from zootwins.population.masks import interleaved, keep_highest

        trained, places = epoch - 1, coordinates(self.axes(settings))
        if not settings.begin <= trained <= max(settings.ends):
            return None
        scores = self.scores(population)
        for name, mask in () if population.regrows else population.masks.items():
            scores[name] = scores[name].masked_fill(~mask, -1)  # below every score: what is masked stays so
        masks = []
        for twin, at in enumerate(places):
            if trained > at["end"]:
                masks.append({name: mask[twin :: len(places)] for name, mask in population.masks.items()})
                continue
            of_twin = {name: score[twin :: len(places)] for name, score in scores.items()}
            due, layers = settings.progress(trained, at["end"]), self.layer_ratios(population.architecture, at)
            shares = due * at["ratio"] if layers is None else {name: due * share for name, share in layers.items()}
            masks.append(keep_highest(of_twin, shares))
        return interleaved(masks)


class GradualPruning(Gradual):
    """Magnitudes are ranked anew at every epoch of the schedule."""

    id = "gmp"
    title = "Gradual magnitude pruning"
    short = "GMP"
    colour = "#56B4E9"
    section = "gradual_pruning"
    Settings = Settings

    def axes(self, settings: Settings) -> tuple[Axis, ...]:
        numbers = tuple(float(DISTRIBUTIONS.index(distribution)) for distribution in settings.distributions)
        return (*super().axes(settings), Axis("distribution", numbers))

    def population(self, inputs: SparsifierInputs, settings: Settings) -> Population:
        population = super().population(inputs, settings)
        population.regrows = settings.regrow
        for at in coordinates(self.axes(settings)):  # what cannot be reached is refused here, not after training
            self.layer_ratios(population.architecture, at)
        return population

    def scores(self, population: Population) -> dict[str, Tensor]:
        return {name: population.remembered(name).abs() for name in population.architecture.weight_names}

    def layer_ratios(self, architecture: Architecture, at: Mapping[str, float]) -> dict[str, float] | None:
        distribution = DISTRIBUTIONS[int(at["distribution"])]
        if distribution == "extended":
            return extended_ratios(architecture, at["ratio"])
        return super().layer_ratios(architecture, at) if distribution == "uniform" else None


def extended_ratios(architecture: Architecture, ratio: float) -> dict[str, float]:
    """Each layer's sparsity at a sparsity of the whole, by the weights' names: the authors' extended distribution.

    Raises:
        InputError: if the layers between the first and the last have too few weights for it.
    """
    first, *between, last = architecture.layers
    of_last, weights = min(ratio, LAST_LAYER_LIMIT), sum(layer.weights for layer in between)
    of_others = (ratio * architecture.weights - of_last * last.weights) / weights
    if of_others > 1:
        highest = 100 * (weights + LAST_LAYER_LIMIT * last.weights) / architecture.weights
        raise InputError(
            f"gradual_pruning.sparsities: {100 * ratio:g} % cannot be reached by extended, one of distributions, "
            f"which on {architecture.name} comes to {int(10 * highest) / 10:g} % at most; leave one of them out"
        )
    return {
        f"{first.name}.weight": 0.0,
        **{f"{layer.name}.weight": of_others for layer in between},
        f"{last.name}.weight": of_last,
    }
