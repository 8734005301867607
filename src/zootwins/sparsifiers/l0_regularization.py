"""L0 regularisation: every weight has a gate that is open with a probability, and open gates cost.

Louizos, Welling, Kingma (2018) with one gate per weight, as in The State of Sparsity (Gale, Elsen, Hooker 2019); the
mathematics is in `zootwins.population.hard_concrete`. Twins start from trained models with gates that are open (1) in
evaluation, so that state 0 is the original.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from zootwins.sparsifiers import penalised
from zootwins.sparsifiers.base import REGULARISATION, SparsifierInputs, SweepParameter

if TYPE_CHECKING:
    from zootwins.population import Population
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
    initial_spread: float = Field(
        0.0,
        ge=0,
        description="Standard deviation of the log α at the start, drawn for every gate; the authors' is 0.01.",
    )


class L0Regularization(penalised.Penalised):
    """Gates without weight decay; biases have none."""

    id = "l0"
    title = "L0 regularisation"
    short = "L0"
    section = "l0_regularization"
    kind = REGULARISATION
    sweep = SweepParameter("penalty", f"Weight of the L0 penalty × {penalised.IMAGES}", "penalty {:g}")
    Settings = Settings

    def weights(self, settings: Settings) -> HardConcrete:
        from zootwins.population.hard_concrete import HardConcrete

        return HardConcrete(settings.initial_log_alpha, settings.gate_lr)

    def population(self, inputs: SparsifierInputs, settings: Settings) -> Population:
        from zootwins.population.hard_concrete import gates_of
        from zootwins.population.randomness import layer_normals

        population = super().population(inputs, settings)
        if settings.initial_spread:
            for name, numbers in layer_normals(population.architecture, population.keys).items():
                population.parameters[gates_of(name)] += settings.initial_spread * numbers
        return population
