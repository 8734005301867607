"""GraSP (Wang et al. 2020): before training, weights stay whose removal would weaken the gradient most, w·Hg."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from zootwins.run.settings import Positive
from zootwins.sparsifiers import at_initialisation, pruning
from zootwins.sparsifiers.composition import Composition

if TYPE_CHECKING:
    from collections.abc import Mapping


class Settings(at_initialisation.Settings):
    """Settings of GraSP; sparsities in percent."""

    images_per_class: int = Field(10, ge=1, description="Training images of each class that weights are scored on.")
    temperature: Positive = Field(200.0, description="What the logits are divided by for the scores.")


class Grasp(pruning.Pruning):
    """One-shot pruning before training, ranked over the whole network."""

    id = "grasp"
    title = "GraSP"
    short = "GraSP"
    section = "grasp"
    Settings = Settings

    def composition(self, settings: Settings, at: Mapping[str, float]) -> Composition:
        from zootwins.sparsifiers.scores import GradientFlow

        score = GradientFlow(images_per_class=settings.images_per_class, temperature=settings.temperature)
        return Composition(score, min_left=settings.min_left)
