"""Lottery tickets: the weights that pruning kept are trained again from the values that they had before training.

Frankle and Carbin (2019), as The State of Sparsity (Gale, Elsen, Hooker 2019) runs it. `rewind_epoch` above 0 is late
rewinding (Frankle et al. 2020).
"""

from __future__ import annotations

from pydantic import Field

from zootwins.sparsifiers import retraining
from zootwins.sparsifiers.base import LOTTERY_TICKETS


class Settings(retraining.Settings):
    """Settings of lottery tickets; sparsities in percent."""

    rewind_epoch: int = Field(
        0, ge=0, description="Weights begin as they were after so many epochs of the originals' training."
    )

    @property
    def start_epoch(self) -> int:
        return self.rewind_epoch


class LotteryTicket(retraining.Retraining):
    """The initial weights are the model's own."""

    id = "lottery"
    title = "Lottery ticket"
    short = "Lottery"
    section = "lottery_ticket"
    kind = LOTTERY_TICKETS
    Settings = Settings
