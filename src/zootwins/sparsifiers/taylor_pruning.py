"""First-order Taylor pruning (Molchanov et al. 2017): a trained model's weights of least |w·∂L/∂w| are pruned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from zootwins.sparsifiers import composed, pruning
from zootwins.sparsifiers.composition import Composition
from zootwins.sparsifiers.parts import ALLOCATIONS, part

if TYPE_CHECKING:
    from collections.abc import Mapping


class Settings(composed.Settings):
    """Settings of Taylor pruning; sparsities in percent."""

    images: int = Field(512, ge=1, description="Training images that weights are scored on.")
    allocation: Literal["global", "uniform", "erk", "lamp"] = Field(
        "global", description="How the sparsity is divided among the layers; global: weights are ranked together."
    )


class TaylorPruning(pruning.Pruning):
    """One-shot pruning of trained models."""

    id = "taylor"
    title = "Taylor pruning"
    short = "Taylor"
    section = "taylor_pruning"
    Settings = Settings

    def composition(self, settings: Settings, at: Mapping[str, float]) -> Composition:
        from zootwins.sparsifiers.scores import Saliency

        score, allocation = Saliency(images=settings.images), part(ALLOCATIONS, settings.allocation)
        return Composition(score, allocation, min_left=settings.min_left)
