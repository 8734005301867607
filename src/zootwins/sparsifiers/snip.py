"""SNIP (Lee et al. 2019): before training, weights of low sensitivity |w·∂L/∂w| of the loss are pruned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from zootwins.sparsifiers import at_initialisation, pruning
from zootwins.sparsifiers.composition import Composition

if TYPE_CHECKING:
    from collections.abc import Mapping


class Settings(at_initialisation.Settings):
    """Settings of SNIP; sparsities in percent."""

    images: int = Field(100, ge=1, description="Training images that weights are scored on.")


class Snip(pruning.Pruning):
    """One-shot pruning before training, ranked over the whole network."""

    id = "snip"
    title = "SNIP"
    short = "SNIP"
    section = "snip"
    Settings = Settings

    def composition(self, settings: Settings, at: Mapping[str, float]) -> Composition:
        from zootwins.sparsifiers.scores import Saliency

        return Composition(Saliency(images=settings.images), min_left=settings.min_left)
