"""WoodFisher (Singh and Alistarh 2020): the weights go that the loss needs least, by its Fisher information in blocks.

The weights that stay are updated as if those that go were independent of each other (`updates.BlockFisher`).
"""

from __future__ import annotations

from pydantic import Field

from zootwins.run.settings import Positive
from zootwins.sparsifiers import composed
from zootwins.sparsifiers.composition import SCORES, UPDATES, Composition, part


class Settings(composed.Settings):
    """Settings of WoodFisher; sparsities in percent."""

    images: int = Field(400, ge=1, description="Training images whose gradients make the Fisher information.")
    block: int = Field(50, ge=1, le=1000, description="Neighbouring weights of a layer in one block.")
    damping: Positive = Field(
        1e-3, description="Added to the diagonal. Gradients of well-trained models are so small that it decides much."
    )


class WoodFisher(composed.Composed):
    """One-shot pruning of trained models, ranked over the whole network, with an update of the weights that stay."""

    id = "woodfisher"
    title = "WoodFisher"
    short = "WoodFisher"
    colour = "#AA4466"
    section = "woodfisher"
    Settings = Settings

    def composition(self, settings: Settings, ratio: float) -> Composition:
        measured = {"images": settings.images, "block": settings.block, "damping": settings.damping}
        return Composition(
            part(SCORES, "fisher", **measured), update=part(UPDATES, "fisher", **measured), min_left=settings.min_left
        )
