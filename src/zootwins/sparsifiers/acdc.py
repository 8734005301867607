"""AC/DC (Peste et al. 2021): sparse and dense phases of training alternate, and the last one is sparse.

Magnitudes are ranked over the whole network where a sparse phase begins, and the mask stays for the phase; in a dense
phase all weights train, those that were masked from 0, with all moments reset. The twin is the end of the last phase:
between, there are epochs without sparsity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from zootwins.sparsifiers import composed, pruning
from zootwins.sparsifiers.base import PROGRESSIVE
from zootwins.sparsifiers.composition import Composition

if TYPE_CHECKING:
    from collections.abc import Mapping


class Settings(composed.Settings):
    """Settings of AC/DC; sparsities in percent."""

    warmup_epochs: int = Field(0, ge=0, description="Dense epochs before the first sparse phase.")
    phase_epochs: int = Field(ge=1, description="Epochs of each phase but the last.")
    last_epochs: int = Field(ge=1, description="Epochs of the last phase, which is sparse.")

    @model_validator(mode="after")
    def _fits(self) -> Settings:
        if self.warmup_epochs + self.last_epochs > self.epochs:
            raise ValueError(
                f"warmup_epochs {self.warmup_epochs}, last_epochs {self.last_epochs}, epochs {self.epochs}: has to be "
                "warmup_epochs + last_epochs ≤ epochs; change one"
            )
        return self


class ACDC(pruning.Pruning):
    """Sparse and dense phases alternate."""

    id = "acdc"
    title = "AC/DC"
    short = "AC/DC"
    section = "acdc"
    kind = PROGRESSIVE
    Settings = Settings

    def composition(self, settings: Settings, at: Mapping[str, float]) -> Composition:
        from zootwins.sparsifiers.schedules import Alternating
        from zootwins.sparsifiers.scores import Magnitude

        schedule = Alternating(settings.warmup_epochs, settings.phase_epochs, settings.last_epochs)
        return Composition(Magnitude(), schedule=schedule, min_left=settings.min_left)
