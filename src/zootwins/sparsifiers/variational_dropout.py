"""Sparse variational dropout: weights learn how much noise they bear, and those that bear the most are pruned.

Molchanov, Ashukha, Vetrov (2017), with the settings of the paper's authors; the mathematics is in
`zootwins.population.variational`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from zootwins.sparsifiers import base
from zootwins.sparsifiers.base import (
    REGULARISATION,
    Point,
    Sparsifier,
    SparsifierInputs,
    SweepParameter,
    repeated,
    twin_keys,
)

if TYPE_CHECKING:
    from zootwins.population import Population
    from zootwins.population.trajectory import Plan
    from zootwins.population.variational import GaussianNoise

MILESTONES = (0, 2, 4, 6, 8, 10, 13, 16, 19, 22, 25)  # the epochs of the paper's Table 6
KL_FULL, KL_EPOCHS = 0.01, 25  # the authors' schedule: the KL term would weigh 0.01 after 25 epochs


class Settings(base.Settings):
    """Settings of variational dropout."""

    threshold: float = Field(description="A weight is pruned where its log α reaches this value.")


def kl_weight(epoch: int) -> float:
    """Return the weight of the KL term in epoch 1, 2, …: 0, 0.0004, …, 0.0096 in epoch 25 (the authors' code).

    It does not depend on how many epochs are run, so that a shorter run is a prefix of a longer one.
    """
    return min(1.0, KL_FULL * (epoch - 1) / KL_EPOCHS)


class VariationalDropout(Sparsifier):
    """Every epoch is an operating point: sparsity grows while the models train."""

    id = "vd"
    title = "Variational dropout"
    short = "VD"
    section = "variational_dropout"
    kind = REGULARISATION
    sweep = SweepParameter("epoch", "Epoch of variational dropout", "epoch {:g}")
    Settings = Settings

    def curve(self, settings: Settings) -> list[Point]:
        return [Point(epoch, epoch) for epoch in range(settings.epochs + 1)]

    def default_point(self, settings: Settings) -> float:
        return settings.epochs

    def milestones(self, settings: Settings) -> list[Point]:
        return [point for point in self.curve(settings) if point.epoch in MILESTONES]

    def population(self, inputs: SparsifierInputs, settings: Settings) -> Population:
        import torch

        from zootwins.population import Population

        weights, originals = self.weights(settings), inputs.originals
        return Population(
            originals.architecture,
            repeated(originals.factors, 1, settings.lr),
            torch.tensor(twin_keys(self.id, inputs, ()), dtype=torch.int64),
            weights.start(originals.parameters),
            weights=weights,
        )

    def plan(self, inputs: SparsifierInputs, settings: Settings) -> Plan:
        from zootwins.population.trajectory import Plan

        return Plan(settings.epochs, prediction_states=range(settings.epochs + 1), penalty=kl_weight)

    def weights(self, settings: Settings) -> GaussianNoise:
        from zootwins.population.variational import GaussianNoise

        return GaussianNoise(threshold=settings.threshold)
