"""Dynamic pruning with feedback (DPF, Lin et al. 2020): masked weights train on and may come back with their values.

Networks are computed with the masked weights, and their gradients move the dense ones (`population.masked_dense`). The
mask of the largest weights, ranked over the whole network, is made anew every few steps (16 in ZIB-IOL/BIMP), the
sparsity rising epoch by epoch by the cubic schedule of gradual pruning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from zootwins.sparsifiers import pruning
from zootwins.sparsifiers.composition import Composition
from zootwins.sparsifiers.schedules import Refreshed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zootwins.population.masked_dense import MaskedDense


class Settings(pruning.Settings):
    """Settings of dynamic pruning with feedback; sparsities in percent."""

    every: int = Field(16, ge=1, description="Optimiser steps after which masks are made anew.")
    end: int = Field(ge=0, description="The requested sparsity is reached after so many epochs.")

    @model_validator(mode="after")
    def _in_order(self) -> Settings:
        if self.end >= self.epochs:
            raise ValueError(f"end {self.end}, epochs {self.epochs}: has to be end < epochs; change one")
        return self


class FeedbackPruning(pruning.Pruning):
    """Masks change; dense weights stay."""

    id = "dpf"
    title = "Dynamic pruning with feedback"
    short = "DPF"
    section = "feedback_pruning"
    Settings = Settings

    def has_masks(self, settings: Settings) -> bool:
        return False  # its shards hold them as parameters, which change

    def weights(self, settings: Settings) -> MaskedDense:
        from zootwins.population.masked_dense import MaskedDense

        return MaskedDense()

    def composition(self, settings: Settings, at: Mapping[str, float]) -> Composition:
        from zootwins.sparsifiers.scores import Magnitude

        return Composition(Magnitude(), schedule=Refreshed(settings.end, settings.every))
