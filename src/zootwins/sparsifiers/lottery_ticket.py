"""Lottery tickets: the weights that pruning kept are trained again from the values that they had before training.

Frankle and Carbin (2019), as The State of Sparsity (Gale, Elsen, Hooker 2019) runs it: no late rewinding.
"""

from __future__ import annotations

from zootwins.sparsifiers import retraining


class Settings(retraining.Settings):
    """Settings of lottery tickets; sparsities in percent."""

    @property
    def from_initial(self) -> bool:
        return True


class LotteryTicket(retraining.Retraining):
    """The initial weights are the model's own."""

    id = "lottery"
    title = "Lottery ticket"
    short = "Lottery"
    colour = "#117733"
    section = "lottery_ticket"
    Settings = Settings
