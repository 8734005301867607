"""The parts that a pruning method is composed of: score × allocation × schedule × structure, and an optional update.

A `Score` rates weights; an `Allocation` says how a requested sparsity is divided among the layers; a `Schedule` says
when how much of it is due, what rewinds and what may return; a `Structure` says what is pruned together. Each part is
a small frozen dataclass in a module of its kind (`scores`, `allocations`, `schedules`, `structures`, `updates`) with a
line in `parts`, under the name that configurations use. Counting follows one rule: exactly round(sparsity · weights)
go, the first among equals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from zootwins.architectures.architecture import Architecture
    from zootwins.population.trajectory import Moment
    from zootwins.sparsifiers.state import State


class Score(Protocol):
    """Rates every weight; the highest stay."""

    def __call__(self, state: State) -> dict[str, Tensor]:
        """Return scores by the weights' names, `[models, …]` of their shapes."""
        ...


@dataclass(frozen=True)
class Allocation:
    """Divides a sparsity among layers; this base class ranks all weights of a network together (`global`)."""

    def ratios(self, architecture: Architecture, ratio: float) -> dict[str, float] | None:
        """Return each layer's share to prune, by the weights' names, or None for one ranking over all layers.

        Args:
            ratio: the share of all weights to prune in the end, 0 … 1.
        """
        return None

    def ranking(self, scores: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return what is ranked instead of the scores, of their shapes: LAMP normalises, Wanda ranks within rows."""
        return scores


class Schedule:
    """Says when masks change and how; this base class prunes everything at once before training (`one_shot`).

    Attributes:
        immediate: what is due before training is done before the first state is recorded, not after it.
        every: masks change after so many optimiser steps too, counted over the whole training; None: only at the
            boundaries of epochs.
        rounds: a change is reached in so many rounds, each scored anew under the masks of the one before.
        remembers: masked weights are remembered as they were, ranked with the others, and return so.
        rewind_epoch: the epoch of the originals' training whose weights `rewinds` returns to; 0: before training.
    """

    immediate: bool = True
    every: int | None = None
    rounds: int = 1
    remembers: bool = False
    rewind_epoch: int | None = None

    def progress(self, moment: Moment, ratio: float) -> float | None:
        """Return the share of the requested sparsity that is due, or None to leave the masks as they are.

        Args:
            ratio: the share of all weights to prune in the end; what is due at once is `ratio` times the result.
        """
        return 1.0 if moment.taken == 0 else None

    def exchange(self, moment: Moment) -> float:
        """Return the share of each layer's remaining weights to drop, as many others growing instead; 0: none."""
        return 0.0

    def rewinds(self, moment: Moment) -> bool:
        """Return whether the weights that stay return to those of `rewind_epoch`."""
        return False

    def resets_moments(self, moment: Moment) -> bool:
        """Return whether all moments of the optimiser start from 0, not those of masked weights alone."""
        return False


@dataclass(frozen=True)
class Structure:
    """Says what is pruned together; this base class prunes single weights (`unstructured`)."""

    def group(self, architecture: Architecture, scores: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the scores of groups, `[models, groups]` of each layer or of any other shape after the models."""
        return scores

    def choose(self, ranking: dict[str, Tensor], due: float | Mapping[str, float], min_left: int) -> dict[str, Tensor]:
        """Return which groups stay, bool of the rankings' shapes.

        Args:
            due: the share of groups to prune: of all together, or of each layer.
            min_left: so many groups of each layer stay in any case.
        """
        from zootwins.population.masks import keep_highest

        return keep_highest(ranking, due, min_left)

    def expand(self, architecture: Architecture, kept: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the masks of weights, bool `[models, …]`, of groups that stay."""
        return kept


class Update(Protocol):
    """Changes the weights that stay, to make up for those that go (optimal brain surgeon)."""

    def __call__(self, state: State, old: Mapping[str, Tensor], new: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the new weights, `[models, …]`; those that `new` masks are set to 0 afterwards.

        Args:
            old, new: masks by the weights' names, bool `[models, …]`, before and after.
        """
        ...


@dataclass(frozen=True)
class Composition:
    """One pruning method, for one place on its axes.

    Attributes:
        growth: the score by which `Schedule.exchange` grows weights; the highest among the masked ones return.
        min_left: so many weights (or groups) of each layer stay in any case.
    """

    score: Score
    allocation: Allocation = field(default_factory=Allocation)
    schedule: Schedule = field(default_factory=Schedule)
    structure: Structure = field(default_factory=Structure)
    update: Update | None = None
    growth: Score | None = None
    min_left: int = 0
