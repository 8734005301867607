"""Magnitude pruning: the smallest weights of a trained model are set to zero, the rest is fine-tuned.

Global unstructured L1 pruning as `torch.nn.utils.prune` defines it, biases not pruned; an unpruned control is
fine-tuned the same way (paper, section 3 and Table 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from zootwins.sparsifiers import pruning
from zootwins.sparsifiers.composition import Allocation, Composition

if TYPE_CHECKING:
    from collections.abc import Mapping


class Settings(pruning.Settings):
    """Settings of magnitude pruning; sparsities in percent."""

    scope: Literal["global", "layer"] = Field(
        "global", description="Rank weights over the whole network or in each layer."
    )


class MagnitudePruning(pruning.Pruning):
    """One-shot pruning at several ratios, each fine-tuned with its mask fixed."""

    id = "mp"
    title = "Magnitude pruning"
    short = "MP"
    colour = "#0072B2"
    section = "magnitude_pruning"
    Settings = Settings

    def composition(self, settings: Settings, at: Mapping[str, float]) -> Composition:
        from zootwins.sparsifiers.allocations import Uniform
        from zootwins.sparsifiers.scores import Magnitude

        return Composition(Magnitude(), Allocation() if settings.scope == "global" else Uniform())
