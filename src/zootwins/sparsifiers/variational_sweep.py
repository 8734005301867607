"""Variational dropout at several weights of its KL term.

The method of `variational_dropout`, whose one weight grows to 480/50,000 in 25 epochs: `penalties: [480]` and
`ramp: 24` is that. The State of Sparsity (Gale, Elsen, Hooker 2019) swept the weight over three orders of magnitude.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from zootwins.sparsifiers import penalised
from zootwins.sparsifiers.base import REGULARISATION, SweepParameter

if TYPE_CHECKING:
    from zootwins.population.variational import GaussianNoise


class Settings(penalised.Settings):
    """Settings of variational dropout at several weights; the penalty is the KL term."""

    threshold: float = Field(description="A weight is pruned where its log α reaches this value.")
    initial_log_sigma2: float = Field(-10.0, description="log σ² of every weight's noise at the start.")


class VariationalSweep(penalised.Penalised):
    """As variational dropout, but for the weight of the KL term, and that the last epoch is the operating point."""

    id = "vds"
    title = "Variational dropout, swept"
    short = "VD sweep"
    section = "variational_sweep"
    kind = REGULARISATION
    sweep = SweepParameter("penalty", f"Weight of the KL term × {penalised.IMAGES}", "penalty {:g}")
    Settings = Settings

    def weights(self, settings: Settings) -> GaussianNoise:
        from zootwins.population.variational import GaussianNoise

        return GaussianNoise(settings.threshold, settings.initial_log_sigma2)
