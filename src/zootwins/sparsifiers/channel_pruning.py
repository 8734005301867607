"""Channel pruning (Li et al. 2017): whole output channels are pruned, and a smaller dense network computes the same.

Channels are ranked by the weights that make and take them (`channels.channel_scores`). Twins are trained at full size
with masks, and stored as smaller networks too (`small_twins`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from zootwins.run.settings import Ascending, Percent
from zootwins.sparsifiers import composed, pruning
from zootwins.sparsifiers.base import SweepParameter
from zootwins.sparsifiers.composition import Composition
from zootwins.sparsifiers.parts import ALLOCATIONS, SCORES, part

if TYPE_CHECKING:
    from collections.abc import Mapping


class Settings(composed.Settings):
    """Settings of channel pruning; sparsities in percent."""

    sparsities: Annotated[tuple[Percent, ...], Ascending] = Field(
        min_length=1,
        description="Percent of the output channels to prune, those of the last layer not counted; an unpruned control "
        "is always fine-tuned beside them.",
    )
    importance: Literal["l1", "l2", "taylor"] = Field(
        "l2", description="What channels are ranked by: sums of |w|, of w², or of |w·∂L/∂w|."
    )
    allocation: Literal["uniform", "global"] = Field(
        "uniform",
        description="`uniform`: the same share of every layer's channels, so that all twins have the same shapes; "
        "`global`: channels are ranked together.",
    )


class ChannelPruning(pruning.Pruning):
    """One-shot pruning of trained models by channels."""

    id = "channels"
    title = "Channel pruning"
    short = "Channels"
    section = "channel_pruning"
    sweep = SweepParameter("sparsity", "Pruned channels, %", "{:g} % of channels pruned")
    Settings = Settings

    def removes_channels(self, settings: Settings) -> bool:
        return True

    def composition(self, settings: Settings, at: Mapping[str, float]) -> Composition:
        from zootwins.sparsifiers.channels import Channels

        return Composition(
            part(SCORES, "saliency" if settings.importance == "taylor" else "magnitude"),
            part(ALLOCATIONS, settings.allocation),
            structure=Channels(power=2 if settings.importance == "l2" else 1),
            min_left=settings.min_left,
        )
