"""Wanda (Sun et al. 2024): weights are ranked within each output's row by their magnitude times their input's norm.

The inputs are those of the dense model, on some training images; every output keeps as many weights.
"""

from __future__ import annotations

from pydantic import Field

from zootwins.sparsifiers import composed
from zootwins.sparsifiers.composition import ALLOCATIONS, SCORES, Composition, part


class Settings(composed.Settings):
    """Settings of Wanda; sparsities in percent."""

    images: int = Field(128, ge=1, description="Training images that inputs are measured on.")


class Wanda(composed.Composed):
    """One-shot pruning of trained models."""

    id = "wanda"
    title = "Wanda"
    short = "Wanda"
    colour = "#88CCEE"
    section = "wanda"
    Settings = Settings

    def composition(self, settings: Settings, ratio: float) -> Composition:
        score = part(SCORES, "activation_weighted", images=settings.images)
        return Composition(score, part(ALLOCATIONS, "rows"), min_left=settings.min_left)
