"""Magnitude pruning: the smallest weights of a trained model are set to zero, the rest is fine-tuned.

Global unstructured L1 pruning as `torch.nn.utils.prune` defines it, biases not pruned; an unpruned control is
fine-tuned the same way (paper, section 3 and Table 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from zootwins.sparsifiers import pruning
from zootwins.sparsifiers.composition import Composition
from zootwins.sparsifiers.parts import ALLOCATIONS, part

if TYPE_CHECKING:
    from collections.abc import Mapping


class Settings(pruning.Settings):
    """Settings of magnitude pruning; sparsities in percent."""

    scope: Literal["global", "layer", "erk", "lamp"] = Field(
        "global",
        description="`global`: weights are ranked over the whole network; `layer`: in each layer, the same share of "
        "all; `erk`: in each layer, by the shares of Erdős-Rényi-Kernel; `lamp`: over the whole network by "
        "layer-adaptive scores, which empty no layer.",
    )
    min_left: int = Field(0, ge=0, description="So many weights of each layer stay, whatever the sparsity.")


class MagnitudePruning(pruning.Pruning):
    """One-shot pruning at several ratios, each fine-tuned with its mask fixed."""

    id = "mp"
    title = "Magnitude pruning"
    short = "MP"
    colour = "#0072B2"
    section = "magnitude_pruning"
    Settings = Settings

    def composition(self, settings: Settings, at: Mapping[str, float]) -> Composition:
        from zootwins.sparsifiers.scores import Magnitude

        allocation = part(ALLOCATIONS, "uniform" if settings.scope == "layer" else settings.scope)
        return Composition(Magnitude(), allocation, min_left=settings.min_left)
