"""Optimal brain compression (Frantar and Alistarh 2022): each layer's outputs change as little as they can.

Weights go one by one, and those that stay make up for them (`updates.removal_costs` and `updates.least_squares`). The
inputs of all layers are those of the dense model, on some training images; every layer has the requested sparsity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from zootwins.run.settings import NotNegative
from zootwins.sparsifiers import composed, pruning
from zootwins.sparsifiers.base import SECOND_ORDER
from zootwins.sparsifiers.composition import Composition

if TYPE_CHECKING:
    from collections.abc import Mapping


class Settings(composed.Settings):
    """Settings of optimal brain compression; sparsities in percent."""

    images: int = Field(512, ge=1, description="Training images that inputs are measured on.")
    damping: NotNegative = Field(0.01, description="Times the mean of the Hessian's diagonal, added to it.")


class OBC(pruning.Pruning):
    """One-shot pruning of trained models with an update of the weights that stay."""

    id = "obc"
    title = "Optimal brain compression"
    short = "OBC"
    section = "obc"
    kind = SECOND_ORDER
    Settings = Settings

    def composition(self, settings: Settings, at: Mapping[str, float]) -> Composition:
        from zootwins.sparsifiers.allocations import Uniform
        from zootwins.sparsifiers.scores import RemovalCosts
        from zootwins.sparsifiers.updates import LeastSquares

        measured = {"images": settings.images, "damping": settings.damping}
        return Composition(
            RemovalCosts(**measured),
            Uniform(),
            update=LeastSquares(**measured),
            min_left=settings.min_left,
        )
