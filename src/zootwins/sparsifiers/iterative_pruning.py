"""Iterative magnitude pruning (Frankle et al. 2020): prune a share of what is left, rewind, train, and again.

The first round prunes the trained original. Each round removes the same share of what is left, ranked over the whole
network, so that the last one reaches the requested sparsity: ten rounds to 89.3 % remove 20 % each. The weights that
stay then return to their values after `rewind_epoch` epochs of the original's training; 0 makes the last round a
lottery ticket. With `rewind_epoch: null` they train on. A round trains `epochs / rounds` epochs, at a constant rate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from zootwins.sparsifiers import composed, pruning
from zootwins.sparsifiers.base import LOTTERY_TICKETS
from zootwins.sparsifiers.composition import Composition

if TYPE_CHECKING:
    from collections.abc import Mapping


class Settings(composed.Settings):
    """Settings of iterative magnitude pruning; sparsities in percent."""

    rounds: int = Field(ge=1, le=100, description="Rounds of pruning and training; they share the epochs equally.")
    rewind_epoch: int | None = Field(
        0,
        ge=0,
        description="Each round begins from the weights after so many epochs of the originals' training, 0 being those "
        "before it; null: it trains on.",
    )

    @model_validator(mode="after")
    def _divisible(self) -> Settings:
        if self.epochs % self.rounds:
            raise ValueError(f"epochs {self.epochs}, rounds {self.rounds}: epochs have to be a multiple of rounds")
        return self


class IterativePruning(pruning.Pruning):
    """Rounds of pruning, rewinding and training."""

    id = "imp"
    title = "Iterative magnitude pruning"
    short = "IMP"
    section = "iterative_pruning"
    kind = LOTTERY_TICKETS
    Settings = Settings

    def earlier_epochs(self, settings: Settings) -> tuple[int, ...]:
        rewound = () if settings.rewind_epoch is None else (settings.rewind_epoch,)
        return tuple(dict.fromkeys((*super().earlier_epochs(settings), *rewound)))

    def composition(self, settings: Settings, at: Mapping[str, float]) -> Composition:
        from zootwins.sparsifiers.schedules import Rounds
        from zootwins.sparsifiers.scores import Magnitude

        schedule = Rounds(settings.rounds, settings.epochs // settings.rounds, settings.rewind_epoch)
        return Composition(Magnitude(), schedule=schedule, min_left=settings.min_left)
