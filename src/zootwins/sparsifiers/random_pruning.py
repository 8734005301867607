"""Random pruning: by the schedule of gradual pruning ever more weights are set to zero, whatever their size.

The baseline of The State of Sparsity (Gale, Elsen, Hooker 2019), the same sparsity in every layer. Each twin draws one
permutation of a layer's weights, whose first ones go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zootwins.sparsifiers import gradual_pruning, pruning
from zootwins.sparsifiers.composition import Composition
from zootwins.sparsifiers.schedules import Cubic

if TYPE_CHECKING:
    from collections.abc import Mapping


class Settings(gradual_pruning.CubicSettings):
    """Settings of random pruning; sparsities in percent."""


class RandomPruning(pruning.Pruning):
    """Every twin's order is its own, and the same at every epoch."""

    id = "rp"
    title = "Random pruning"
    short = "RP"
    section = "random_pruning"
    Settings = Settings

    def composition(self, settings: Settings, at: Mapping[str, float]) -> Composition:
        from zootwins.sparsifiers.allocations import Uniform
        from zootwins.sparsifiers.scores import Random

        return Composition(Random(), Uniform(), Cubic(settings.begin, at["end"]))
