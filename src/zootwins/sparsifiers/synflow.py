"""SynFlow (Tanaka et al. 2020): before training and without data, by the flow that passes each weight, in many rounds.

Scores are taken without activation functions, in float64: `scores.synaptic_flow` says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from zootwins.sparsifiers import at_initialisation, pruning
from zootwins.sparsifiers.composition import Composition

if TYPE_CHECKING:
    from collections.abc import Mapping


class Settings(at_initialisation.Settings):
    """Settings of SynFlow; sparsities in percent."""

    iterations: int = Field(100, ge=1, le=1000, description="Rounds of scoring and pruning, all before training.")


class SynFlow(pruning.Pruning):
    """Pruning before training, ranked over the whole network and scored anew in every round."""

    id = "synflow"
    title = "SynFlow"
    short = "SynFlow"
    section = "synflow"
    Settings = Settings

    def composition(self, settings: Settings, at: Mapping[str, float]) -> Composition:
        from zootwins.sparsifiers.schedules import Scored
        from zootwins.sparsifiers.scores import SynapticFlow

        return Composition(SynapticFlow(), schedule=Scored(settings.iterations), min_left=settings.min_left)
