"""Methods whose twins differ by the weight of a penalty: settings, axis, sweep parameter and schedule."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from zootwins.run.settings import Ascending, Positive
from zootwins.sparsifiers import base
from zootwins.sparsifiers.base import Axis, Point, Sparsifier, SparsifierInputs, repeated, twin_keys

if TYPE_CHECKING:
    from torch import Tensor

    from zootwins.population import Population
    from zootwins.population.trajectory import Plan

# The State of Sparsity (Gale, Elsen, Hooker 2019) states its weights λ as λ·N, N being the number of training images.
# A method does not know a zoo's, so that one N stands for all: that of MNIST and CIFAR-10 without validation images.
# The same setting is the same λ in any zoo.
IMAGES = 50_000


class Settings(base.Settings):
    """Weights of the penalty, and how they grow."""

    penalties: Annotated[tuple[Positive, ...], Ascending] = Field(
        min_length=1,
        description=f"Weights of the penalty × {IMAGES}: the penalty × one of these / {IMAGES} is added to the mean "
        "cross-entropy, however many images the zoo has.",
    )
    begin: int = Field(0, ge=0, description="The penalty weighs nothing for so many epochs.")
    ramp: int = Field(ge=0, description="Epochs over which its weight then grows linearly from 0.")


def penalty_weights(settings: Settings, epoch: int) -> Tensor:
    """Return the weight of every penalty in epoch 1, 2, …, float64 `[penalties]`: 0 in the first if there is a ramp."""
    import torch

    passed = epoch - 1 - settings.begin
    grown = min(1.0, max(0.0, passed / settings.ramp)) if settings.ramp else float(passed >= 0)
    return torch.tensor(settings.penalties, dtype=torch.float64) * grown / IMAGES


class Penalised(Sparsifier):
    """A twin for every weight of the penalty; the last epoch is the operating point."""

    def axes(self, settings: Settings) -> tuple[Axis, ...]:
        return (Axis("penalty", settings.penalties),)

    def curve(self, settings: Settings) -> list[Point]:
        return [Point(penalty, settings.epochs, {"penalty": penalty}) for penalty in settings.penalties]

    def default_point(self, settings: Settings) -> float:
        return settings.penalties[len(settings.penalties) // 2]

    def population(self, inputs: SparsifierInputs, settings: Settings) -> Population:
        import torch

        from zootwins.population import Population

        weights, originals, times = self.weights(settings), inputs.originals, len(settings.penalties)
        parameters = {name: p.repeat_interleave(times, dim=0) for name, p in originals.parameters.items()}
        return Population(
            originals.architecture,
            repeated(originals.factors, times, settings.lr),
            torch.tensor(twin_keys(self.id, inputs, self.axes(settings)), dtype=torch.int64),
            weights.start(parameters),
            weights=weights,
        )

    def plan(self, inputs: SparsifierInputs, settings: Settings) -> Plan:
        from zootwins.population.trajectory import Plan

        return Plan(settings.epochs, prediction_states=(0, settings.epochs), penalty=partial(penalty_weights, settings))
