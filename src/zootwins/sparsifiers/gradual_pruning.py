"""Gradual magnitude pruning: while a trained model trains on, ever more of its smallest weights are set to zero.

Zhu and Gupta (2017), as The State of Sparsity (Gale, Elsen, Hooker 2019) uses it, with three differences: twins start
from trained models unless `start: init`; masks change at the boundaries of epochs; what is masked stays masked, as in
JaxPruner, unless `regrow`, while in the authors' code it can come back and has moved meanwhile, by momentum and decay.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from zootwins.run.errors import InputError
from zootwins.sparsifiers import pruning
from zootwins.sparsifiers.base import Start

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from zootwins.population import Population
    from zootwins.population.architectures import Architecture
    from zootwins.population.trajectory import Plan


LAST_LAYER_LIMIT = 0.8  # of the last layer's sparsity in the authors' extended runs


class Schedule(pruning.Settings):
    """Sparsities in percent, and when they are reached."""

    begin: int = Field(0, ge=0, description="Nothing is pruned before so many epochs.")
    end: int = Field(
        ge=0, description="The requested sparsity is reached after so many epochs; those that are left fine-tune."
    )

    start: Literal["trained", "init"] = Field(
        "trained", description="The weights to start from: the originals' as they are, or as they were before training."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Schedule:
        if not self.begin <= self.end < self.epochs:
            raise ValueError(
                f"begin {self.begin}, end {self.end}, epochs {self.epochs}: has to be begin ≤ end < epochs; change one"
            )
        return self

    def progress(self, epochs: int) -> float:
        """The share of the requested sparsity that is due after so many epochs: 1 − (1 − p)³."""
        if self.begin == self.end:
            return float(epochs >= self.end)
        passed = min(max((epochs - self.begin) / (self.end - self.begin), 0.0), 1.0)
        return 1 - (1 - passed) ** 3


class Settings(Schedule):
    """Settings of gradual magnitude pruning; sparsities in percent."""

    distribution: Literal["uniform", "global", "extended"] = Field(
        "uniform",
        description="The same sparsity in every layer; weights ranked over the whole network; or extended: the first "
        "layer dense, the last at most 80 % sparse, the others as sparse as the whole then needs.",
    )
    regrow: bool = Field(
        False,
        description="Masked weights are ranked again as they were when they were masked, and come back so.",
    )


class Gradual(pruning.Pruning):
    """Pruning by a schedule; a method says by which scores."""

    @abstractmethod
    def scores(self, population: Population) -> dict[str, Tensor]:
        """What weights are ranked by, `[twins, …]`, ≥ 0; the lowest go first."""

    def layer_ratios(self, settings: Schedule, architecture: Architecture, ratio: float) -> dict[str, float] | None:
        """The layers' sparsities at one of the whole, by the weights' names; None: as one ranking of all has it."""
        return dict.fromkeys(architecture.weight_names, ratio)

    def needs_initial(self, settings: Schedule) -> bool:
        return settings.start == "init"

    def parameters(self, start: Start, settings: Schedule) -> Mapping[str, Tensor]:
        return start.initial if settings.start == "init" else start.originals.parameters

    def plan(self, settings: Schedule) -> Plan:
        from zootwins.population.trajectory import Plan

        return Plan(settings.epochs, prediction_states=(0, settings.epochs), masks=partial(self.masks, settings))

    def masks(self, settings: Schedule, epoch: int, population: Population) -> dict[str, Tensor] | None:
        """The masks that the schedule asks for before an epoch; see `Plan.masks`.

        They are nested in those that there are, unless the population regrows.
        """
        from zootwins.population.masks import interleaved, lowest_pruned, lowest_pruned_by_layer

        trained, ratios = epoch - 1, settings.ratios
        if not settings.begin <= trained <= settings.end:
            return None
        scores = self.scores(population)
        for name, mask in () if population.regrows else population.masks.items():
            scores[name] = scores[name].masked_fill(~mask, -1)  # below every score: what is masked stays so
        due, masks = settings.progress(trained), []
        for place, ratio in enumerate(ratios):
            of_ratio = {name: score[place :: len(ratios)] for name, score in scores.items()}
            layers = self.layer_ratios(settings, population.architecture, ratio)
            if layers is None:
                masks.append(lowest_pruned(of_ratio, due * ratio, "global"))
            else:
                masks.append(lowest_pruned_by_layer(of_ratio, {name: due * share for name, share in layers.items()}))
        return interleaved(masks)


class GradualPruning(Gradual):
    """Magnitudes are ranked anew at every epoch of the schedule."""

    id = "gmp"
    title = "Gradual magnitude pruning"
    short = "GMP"
    colour = "#56B4E9"
    section = "gradual_pruning"
    Settings = Settings

    def population(self, start: Start, settings: Settings) -> Population:
        population = super().population(start, settings)
        population.regrows = settings.regrow
        for ratio in settings.ratios:  # what cannot be reached is refused here, not after epochs of training
            self.layer_ratios(settings, population.architecture, ratio)
        return population

    def scores(self, population: Population) -> dict[str, Tensor]:
        return {name: population.remembered(name).abs() for name in population.architecture.weight_names}

    def layer_ratios(self, settings: Settings, architecture: Architecture, ratio: float) -> dict[str, float] | None:
        if settings.distribution == "extended":
            return extended_ratios(architecture, ratio)
        return super().layer_ratios(settings, architecture, ratio) if settings.distribution == "uniform" else None


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
            f"gradual_pruning.sparsities: {100 * ratio:g} % cannot be reached with distribution: extended, which on "
            f"{architecture.name} comes to {int(10 * highest) / 10:g} % at most; leave it out, or take another"
        )
    return {
        f"{first.name}.weight": 0.0,
        **{f"{layer.name}.weight": of_others for layer in between},
        f"{last.name}.weight": of_last,
    }
