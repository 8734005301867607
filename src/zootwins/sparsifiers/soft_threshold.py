"""Soft threshold reparameterization (STR, Kusupati et al. 2020): every layer learns the threshold of its weights.

The mathematics is in `zootwins.population.soft_threshold`. What makes twins sparser is the weight of the penalty that
raises thresholds. The authors have weight decay instead, which moves s in their 10⁵ steps at learning rates of 0.1, and
would not in ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from zootwins.run.settings import Positive
from zootwins.sparsifiers import penalised
from zootwins.sparsifiers.base import REGULARISATION, SweepParameter

if TYPE_CHECKING:
    from zootwins.population.soft_threshold import SoftThreshold


class Settings(penalised.Settings):
    """Settings of soft thresholds; the penalty is half the sum of the squares of the layers' s."""

    initial_s: float = Field(-6.0, lt=0, description="s of every layer at the start; its threshold is σ(s).")
    threshold_lr: Positive | None = Field(
        None, description="Learning rate of the thresholds' own Adam; null: they are trained as the weights are."
    )


class SoftThresholds(penalised.Penalised):
    """Thresholds without weight decay; biases have none."""

    id = "str"
    title = "Soft threshold reparameterization"
    short = "STR"
    section = "soft_threshold"
    kind = REGULARISATION
    sweep = SweepParameter("penalty", f"Weight of the threshold penalty × {penalised.IMAGES}", "penalty {:g}")
    Settings = Settings

    def weights(self, settings: Settings) -> SoftThreshold:
        from zootwins.population.soft_threshold import SoftThreshold

        return SoftThreshold(settings.initial_s, settings.threshold_lr)
