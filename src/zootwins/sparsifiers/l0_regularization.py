"""L0 regularisation: every weight has a gate that is open with a probability, and open gates cost.

Louizos, Welling, Kingma (2018) with a gate a weight, as in The State of Sparsity (Gale, Elsen, Hooker 2019); the
mathematics is in `zootwins.population.hard_concrete`. Twins start from trained models with gates that are open (1) in
evaluation, so that state 0 is the original.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from zootwins.sparsifiers import penalised
from zootwins.sparsifiers.base import Dial

if TYPE_CHECKING:
    from zootwins.population.hard_concrete import HardConcrete


class Settings(penalised.Settings):
    """Settings of L0 regularisation; the penalty is the number of gates that are expected to be open."""

    gate_lr: float | None = Field(
        None, gt=0, description="Learning rate of the gates' own Adam; null: they are trained as the weights are."
    )
    initial_log_alpha: float = Field(
        2.95,
        description="log α of every gate at the start. From 2.398 on state 0 is the original; the authors' 2.197 takes "
        "2 % from every weight.",
    )


class L0Regularization(penalised.Penalised):
    """Gates without weight decay; biases have none."""

    id = "l0"
    title = "L0 regularisation"
    short = "L0"
    colour = "#CC79A7"
    section = "l0_regularization"
    dial = Dial("penalty", f"Weight of the L0 penalty × {penalised.IMAGES}", "penalty {:g}")
    Settings = Settings

    def weights(self, settings: Settings) -> HardConcrete:
        from zootwins.population.hard_concrete import HardConcrete

        return HardConcrete(settings.initial_log_alpha, settings.gate_lr)
