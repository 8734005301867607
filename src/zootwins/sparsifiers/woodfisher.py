"""WoodFisher (Singh and Alistarh 2020): weights are pruned that raise the loss least, by block Fisher information.

The weights that stay are updated as if those that go were independent of each other (`updates.BlockFisher`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from zootwins.run.settings import Positive
from zootwins.sparsifiers import composed, pruning
from zootwins.sparsifiers.base import SECOND_ORDER
from zootwins.sparsifiers.composition import Composition

if TYPE_CHECKING:
    from collections.abc import Mapping


class Settings(composed.Settings):
    """Settings of WoodFisher; sparsities in percent."""

    images: int = Field(400, ge=1, description="Training images whose gradients make the Fisher information.")
    block: int = Field(50, ge=1, le=1000, description="Neighbouring weights of a layer in one block.")
    damping: Positive = Field(
        1e-3, description="Added to the diagonal. Gradients of well-trained models are so small that it decides much."
    )


class WoodFisher(pruning.Pruning):
    """One-shot pruning of trained models, ranked over the whole network, with an update of the weights that stay."""

    id = "woodfisher"
    title = "WoodFisher"
    short = "WoodFisher"
    section = "woodfisher"
    kind = SECOND_ORDER
    Settings = Settings

    def composition(self, settings: Settings, at: Mapping[str, float]) -> Composition:
        from zootwins.sparsifiers.scores import FisherSaliency
        from zootwins.sparsifiers.updates import FisherUpdate

        measured = {"images": settings.images, "block": settings.block, "damping": settings.damping}
        return Composition(FisherSaliency(**measured), update=FisherUpdate(**measured), min_left=settings.min_left)
