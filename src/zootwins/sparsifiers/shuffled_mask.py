"""Shuffled masks: as scratch, with the places of the weights that stay drawn anew in every layer.

The control that openlth calls `randomly_prune` with layerwise strategy: what a mask is worth beyond how many weights
it leaves to each layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zootwins.sparsifiers import retraining
from zootwins.sparsifiers.base import SparsifierInputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


class Settings(retraining.Settings):
    """Settings of retraining with shuffled masks; sparsities in percent."""


class ShuffledMask(retraining.Retraining):
    """Every twin's permutations are its own; the new initial weights are those of scratch."""

    id = "shuffled"
    title = "Shuffled mask"
    short = "Shuffled"
    section = "shuffled_mask"
    Settings = Settings
    shuffled = True

    def parameters(self, inputs: SparsifierInputs, settings: Settings) -> Mapping[str, Tensor]:
        return retraining.new_parameters(inputs)
