"""SynFlow (Tanaka et al. 2020): before training and without data, by the flow that passes each weight, in many rounds.

Scores are taken without activation functions, in float64: `scores.synaptic_flow` says why.
"""

from __future__ import annotations

from pydantic import Field

from zootwins.sparsifiers import at_initialisation, composed
from zootwins.sparsifiers.composition import SCORES, Composition, part


class Settings(at_initialisation.Settings):
    """Settings of SynFlow; sparsities in percent."""

    iterations: int = Field(100, ge=1, le=1000, description="Rounds of scoring and pruning, all before training.")


class SynFlow(composed.Composed):
    """Pruning before training, ranked over the whole network and scored anew in every round."""

    id = "synflow"
    title = "SynFlow"
    short = "SynFlow"
    colour = "#6699CC"
    section = "synflow"
    Settings = Settings

    def composition(self, settings: Settings, ratio: float) -> Composition:
        from zootwins.sparsifiers.schedules import Scored

        return Composition(
            part(SCORES, "synaptic_flow"), schedule=Scored(settings.iterations), min_left=settings.min_left
        )
