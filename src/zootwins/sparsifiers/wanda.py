"""Wanda (Sun et al. 2024): weights are ranked within each output's row by their magnitude times their input's norm.

The inputs are those of the dense model, on some training images; every output keeps as many weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from zootwins.sparsifiers import composed, pruning
from zootwins.sparsifiers.composition import Composition

if TYPE_CHECKING:
    from collections.abc import Mapping


class Settings(composed.Settings):
    """Settings of Wanda; sparsities in percent."""

    images: int = Field(128, ge=1, description="Training images that inputs are measured on.")


class Wanda(pruning.Pruning):
    """One-shot pruning of trained models."""

    id = "wanda"
    title = "Wanda"
    short = "Wanda"
    section = "wanda"
    Settings = Settings

    def composition(self, settings: Settings, at: Mapping[str, float]) -> Composition:
        from zootwins.sparsifiers.allocations import Rows
        from zootwins.sparsifiers.scores import ActivationWeighted

        score = ActivationWeighted(images=settings.images)
        return Composition(score, Rows(), min_left=settings.min_left)
