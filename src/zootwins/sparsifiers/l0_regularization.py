"""L0 regularisation: every weight has a gate that is open with a probability, and open gates cost.

Louizos, Welling, Kingma (2018) with a gate a weight, as in The State of Sparsity (Gale, Elsen, Hooker 2019); the
mathematics is in `zootwins.population.hard_concrete`. Twins start from trained models with gates that are open (1) in
evaluation, so that state 0 is the original.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, field_validator

from zootwins.sparsifiers import base
from zootwins.sparsifiers.base import Axis, Dial, Point, Sparsifier, Start, repeated, twin_keys

if TYPE_CHECKING:
    from torch import Tensor

    from zootwins.population import Population
    from zootwins.population.hard_concrete import HardConcrete
    from zootwins.population.trajectory import Plan

# The paper states its weights λ as λ·N, N being the number of training images. A method does not know a zoo's, so that
# one N stands for all: that of MNIST and CIFAR-10 without validation images. The same setting is the same λ in any zoo.
IMAGES = 50_000


class Settings(base.Settings):
    """Settings of L0 regularisation."""

    penalties: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        min_length=1,
        description=f"Weights of the penalty × {IMAGES}: every gate adds its probability of being open × penalty / "
        f"{IMAGES} to the mean cross-entropy, however many images the zoo has.",
    )
    ramp: int = Field(ge=0, description="Epochs over which the penalty's weight grows linearly from 0.")
    gate_lr: float | None = Field(
        None, gt=0, description="Learning rate of the gates' own Adam; null: they are trained as the weights are."
    )

    @field_validator("penalties")
    @classmethod
    def _ascending(cls, penalties: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(penalties)) < len(penalties):
            raise ValueError("the same penalty stands there twice")
        return tuple(sorted(penalties))


def penalty_weights(settings: Settings, epoch: int) -> Tensor:
    """The weight of every penalty in epoch 1, 2, …, float64 `[penalties]`: 0 in the first if there is a ramp."""
    import torch

    grown = min(1.0, (epoch - 1) / settings.ramp) if settings.ramp else 1.0
    return torch.tensor(settings.penalties, dtype=torch.float64) * grown / IMAGES


class L0Regularization(Sparsifier):
    """A twin for every weight of the penalty; the last epoch is the operating point."""

    id = "l0"
    title = "L0 regularisation"
    short = "L0"
    colour = "#CC79A7"
    section = "l0_regularization"
    dial = Dial("penalty", f"Weight of the L0 penalty × {IMAGES}", "penalty {:g}")
    Settings = Settings

    def axes(self, settings: Settings) -> tuple[Axis, ...]:
        return (Axis("penalty", settings.penalties),)

    def curve(self, settings: Settings) -> list[Point]:
        return [Point(penalty, settings.epochs, {"penalty": penalty}) for penalty in settings.penalties]

    def usual(self, settings: Settings) -> float:
        return settings.penalties[len(settings.penalties) // 2]

    def population(self, start: Start, settings: Settings) -> Population:
        import torch

        from zootwins.population import Population

        weights, originals, times = self.weights(settings), start.originals, len(settings.penalties)
        parameters = {name: p.repeat_interleave(times, dim=0) for name, p in originals.parameters.items()}
        return Population(
            originals.architecture,
            repeated(originals.factors, times, settings.lr),
            torch.tensor(twin_keys(self.id, start, self.axes(settings)), dtype=torch.int64),
            weights.start(parameters),
            weights=weights,
        )

    def plan(self, settings: Settings) -> Plan:
        from zootwins.population.trajectory import Plan

        return Plan(settings.epochs, prediction_states=(0, settings.epochs), penalty=partial(penalty_weights, settings))

    def weights(self, settings: Settings) -> HardConcrete:
        from zootwins.population.hard_concrete import HardConcrete

        return HardConcrete(gate_lr=settings.gate_lr)
