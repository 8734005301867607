"""Gradual magnitude pruning: while a trained model trains on, ever more of its smallest weights are set to zero.

Zhu and Gupta (2017), as The State of Sparsity (Gale, Elsen, Hooker 2019) uses it, with three differences: twins start
from trained models; masks change at the boundaries of epochs; what is masked stays masked, as in
JaxPruner, while in the authors' code it can come back.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from zootwins.sparsifiers import pruning

if TYPE_CHECKING:
    from torch import Tensor

    from zootwins.population import Population
    from zootwins.population.trajectory import Plan


class Schedule(pruning.Settings):
    """Sparsities in percent, and when they are reached."""

    begin: int = Field(0, ge=0, description="Nothing is pruned before so many epochs.")
    end: int = Field(
        ge=0, description="The requested sparsity is reached after so many epochs; those that are left fine-tune."
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

    distribution: Literal["uniform", "global"] = Field(
        "uniform", description="The same sparsity in every layer, or weights ranked over the whole network."
    )


class Gradual(pruning.Pruning):
    """Pruning by a schedule; a method says by which scores."""

    @abstractmethod
    def scores(self, population: Population) -> dict[str, Tensor]:
        """What weights are ranked by, `[twins, …]`, ≥ 0; the lowest go first."""

    def scope(self, settings: Schedule) -> str:
        """Of a ranking: see `zootwins.population.masks.lowest_pruned`."""
        return "layer"

    def plan(self, settings: Schedule) -> Plan:
        from zootwins.population.trajectory import Plan

        return Plan(settings.epochs, prediction_states=(0, settings.epochs), masks=partial(self.masks, settings))

    def masks(self, settings: Schedule, epoch: int, population: Population) -> dict[str, Tensor] | None:
        """The masks that the schedule asks for before an epoch, nested in those that there are; see `Plan.masks`."""
        from zootwins.population.masks import interleaved, lowest_pruned

        trained, ratios = epoch - 1, settings.ratios
        if not settings.begin <= trained <= settings.end:
            return None
        scores = self.scores(population)
        for name, mask in population.masks.items():
            scores[name] = scores[name].masked_fill(~mask, -1)  # below every score: what is masked stays so
        return interleaved(
            [
                lowest_pruned(
                    {name: score[place :: len(ratios)] for name, score in scores.items()},
                    settings.progress(trained) * ratio,
                    self.scope(settings),
                )
                for place, ratio in enumerate(ratios)
            ]
        )


class GradualPruning(Gradual):
    """Magnitudes are ranked anew at every epoch of the schedule."""

    id = "gmp"
    title = "Gradual magnitude pruning"
    short = "GMP"
    colour = "#56B4E9"
    section = "gradual_pruning"
    Settings = Settings

    def scores(self, population: Population) -> dict[str, Tensor]:
        return {name: population.parameters[name].abs() for name in population.architecture.weight_names}

    def scope(self, settings: Settings) -> str:
        return "layer" if settings.distribution == "uniform" else "global"
