"""When masks change: in sparse and dense phases, in rounds that rewind, and by exchange during training.

Epochs count from 1; a moment with 0 batches of an epoch trained is its beginning.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from zootwins.run.settings import Share
from zootwins.sparsifiers.composition import Schedule

if TYPE_CHECKING:
    from zootwins.population.trajectory import Moment


@dataclass(frozen=True)
class Cubic(Schedule):
    """Gradual pruning (Zhu and Gupta 2017): 1 − (1 − p)³ of the requested sparsity is due at the share p of the way.

    Masks change before epochs; the first state recorded is that of the dense twins.
    """

    begin: Annotated[int, Field(ge=0, description="Nothing is pruned before so many epochs.")]
    end: Annotated[float, Field(ge=0, description="All is due after so many epochs.")]
    remembers: Annotated[
        bool, Field(description="Masked weights keep their last value, are ranked with it, and may be restored.")
    ] = False
    immediate = False

    def progress(self, moment: Moment, ratio: float) -> float | None:
        """Return the share of the requested sparsity that is due; None before `begin` and after `end`."""
        trained = moment.epoch - 1
        if moment.step or not self.begin <= trained <= self.end:
            return None
        return 1 - (1 - (trained - self.begin) / (self.end - self.begin)) ** 3 if self.begin < self.end else 1.0


@dataclass(frozen=True)
class Refreshed(Schedule):
    """Masks anew every few steps, at the sparsity that gradual pruning has in that epoch (DPF).

    Attributes:
        end: the requested sparsity is reached after so many epochs.
        every: optimiser steps between two masks; they are made before every epoch too.
    """

    end: int
    every: int = 16
    immediate = False

    def progress(self, moment: Moment, ratio: float) -> float:
        """Return the share of the requested sparsity that is due."""
        return 1 - (1 - min(1.0, (moment.epoch - 1) / self.end)) ** 3 if self.end else 1.0


@dataclass(frozen=True)
class Alternating(Schedule):
    """AC/DC (Peste et al. 2021): dense warm-up, sparse and dense phases in turn, and a last sparse phase.

    Each sparse phase begins with new masks, which it keeps. Before a dense phase all weights come back, from 0, and all
    moments start from 0.
    """

    warmup: Annotated[int, Field(ge=0, description="Dense epochs at the beginning.")]
    phase: Annotated[
        int, Field(ge=1, description="Epochs of each phase but the last; the dense one before the last may be longer.")
    ]
    last: Annotated[int, Field(ge=1, description="Epochs of the last phase, which is sparse.")]

    def begins(self, epochs: int) -> dict[int, bool]:
        """Return after how many epochs each phase begins, and whether it is sparse; the warm-up is left out."""
        starts = list(range(self.warmup, epochs - self.last, self.phase))
        del starts[len(starts) // 2 * 2 :]  # so that the phase before the last is dense
        return {start: index % 2 == 0 for index, start in enumerate(starts)} | {epochs - self.last: True}

    def progress(self, moment: Moment, ratio: float) -> float | None:
        """Return 1 where a sparse phase begins, 0 where a dense one does."""
        sparse = self.begins(moment.epochs).get(moment.epoch - 1) if moment.step == 0 else None
        return None if sparse is None else float(sparse)

    def resets_moments(self, moment: Moment) -> bool:
        """Return whether a dense phase begins."""
        return self.progress(moment, 1.0) == 0


@dataclass(frozen=True)
class Rounds(Schedule):
    """Iterative pruning (Frankle et al. 2020): each round prunes the same share of what is left, rewinds and trains.

    The first round prunes before training, since twins start from trained models; after the last the requested sparsity
    is reached.
    """

    rounds_of_training: Annotated[int, Field(ge=1, le=100, description="Their number.")]
    epochs_per_round: Annotated[int, Field(ge=1, description="Epochs of training after each.")]
    rewind_epoch: Annotated[
        int | None,
        Field(
            ge=0,
            description="Each round begins from the weights after so many epochs of the originals' training, 0 being "
            "those before it; null: the twins train on, with a fresh optimiser.",
        ),
    ] = 0

    def progress(self, moment: Moment, ratio: float) -> float | None:
        """Return the share due in the round that begins: 1 − (1 − ratio)^(k/rounds), as a share of the ratio."""
        if not self._begins(moment) or not ratio:
            return None
        done = ((moment.epoch - 1) // self.epochs_per_round + 1) / self.rounds_of_training
        return 1.0 if done == 1 else (1 - (1 - ratio) ** done) / ratio

    def rewinds(self, moment: Moment) -> bool:
        """Return whether a round begins, of those that rewind."""
        return self.rewind_epoch is not None and self._begins(moment)

    def resets_moments(self, moment: Moment) -> bool:
        """Return whether a round begins: each has a fresh optimiser."""
        return self._begins(moment)

    def _begins(self, moment: Moment) -> bool:
        trained = moment.epoch - 1
        going_on = trained < self.rounds_of_training * self.epochs_per_round
        return moment.step == 0 and going_on and trained % self.epochs_per_round == 0


@dataclass(frozen=True)
class Exchange(Schedule):
    """RigL and SET: masks by the first score before training; then some weights go and as many others come."""

    every: Annotated[int, Field(ge=1, description="Optimiser steps between two exchanges.")] = 100
    fraction: Annotated[
        Share, Field(description="Share of a layer's weights exchanged at first; it falls by a cosine to 0.")
    ] = 0.3
    until: Annotated[float, Field(ge=0, le=1, description="Share of the training after which masks stay.")] = 0.75

    def exchange(self, moment: Moment) -> float:
        """Return the share of each layer's weights to exchange now."""
        end = self.until * moment.steps * moment.epochs
        if moment.taken == 0 or moment.taken % self.every or moment.taken >= end:
            return 0.0
        return self.fraction / 2 * (1 + cos(pi * moment.taken / end))


@dataclass(frozen=True)
class Scored(Schedule):
    """Everything at once before training, in rounds that each score anew under the masks so far (SynFlow: 100)."""

    rounds: Annotated[int, Field(ge=1, le=1000, description="Rounds of scoring and pruning.")] = 1
