"""Lottery tickets: the weights that pruning kept are trained again from the values that they had before training.

Frankle and Carbin (2019), as The State of Sparsity (Gale, Elsen, Hooker 2019) runs it: no late rewinding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zootwins.sparsifiers import retraining
from zootwins.sparsifiers.base import SparsifierInputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


class Settings(retraining.Settings):
    """Settings of lottery tickets; sparsities in percent."""


class LotteryTicket(retraining.Retraining):
    """The initial weights are the model's own."""

    id = "lottery"
    title = "Lottery ticket"
    short = "Lottery"
    colour = "#117733"
    section = "lottery_ticket"
    Settings = Settings

    def needs_initial(self, settings: Settings) -> bool:
        return True

    def parameters(self, inputs: SparsifierInputs, settings: Settings) -> Mapping[str, Tensor]:
        return inputs.initial
