"""RigL (Evci et al. 2020): every few steps the smallest weights are dropped and those of the largest gradient grown.

Each layer keeps its number of weights, by Erdős-Rényi-Kernel or the same share in all. Twins of trained models begin
with their largest weights; with `start: init` they begin at random, as the authors' do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from zootwins.run.settings import Share
from zootwins.sparsifiers import composed, pruning
from zootwins.sparsifiers.base import REGROWTH
from zootwins.sparsifiers.composition import Composition
from zootwins.sparsifiers.parts import ALLOCATIONS, SCORES, part

if TYPE_CHECKING:
    from collections.abc import Mapping


class Settings(composed.Settings):
    """Settings of dynamic sparse training; sparsities in percent."""

    allocation: Literal["erk", "uniform"] = Field(
        "erk", description="Sparsity of the layers: by Erdős-Rényi-Kernel, or the same in all."
    )
    every: int = Field(100, ge=1, description="Optimiser steps between two exchanges.")
    fraction: Share = Field(0.3, description="Share of a layer's weights that the first exchange replaces; then fewer.")
    until: float = Field(0.75, ge=0, le=1, description="Share of the training after which masks stay.")


class RigL(pruning.Pruning):
    """Weights grow where the gradient is largest."""

    id = "rigl"
    title = "RigL"
    short = "RigL"
    section = "rigl"
    kind = REGROWTH
    Settings = Settings
    growth: ClassVar[str] = "gradient"

    def composition(self, settings: Settings, at: Mapping[str, float]) -> Composition:
        from zootwins.sparsifiers.schedules import Exchange

        return Composition(
            part(SCORES, "random" if settings.start == "init" else "magnitude"),
            part(ALLOCATIONS, settings.allocation),
            Exchange(settings.every, settings.fraction, settings.until),
            growth=part(SCORES, self.growth),
            min_left=settings.min_left,
        )
