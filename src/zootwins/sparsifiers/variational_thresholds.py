"""Variational dropout pruned at several thresholds of log α: an evaluation of trained noise, no training.

The State of Sparsity (Gale, Elsen, Hooker 2019) chose the threshold after training, from {0, 0.5, …, 5} on the
Transformer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from zootwins.run.errors import InputError
from zootwins.run.settings import Ascending
from zootwins.sparsifiers import base, variational_sweep
from zootwins.sparsifiers.base import Axis, Point, Sparsifier, SparsifierInputs, SweepParameter, repeated, twin_keys
from zootwins.storage.files import remedy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zootwins.population import Population
    from zootwins.population.trajectory import Plan


class Settings(base.Settings):
    """Settings of thresholds after variational dropout."""

    epochs: Literal[0] = Field(0, description="Nothing is trained.")
    twins: str = Field(
        "vds",
        description="Whose twins are pruned, as they are after the last epoch: by variational dropout with penalties.",
    )
    thresholds: Annotated[tuple[float, ...], Ascending] = Field(
        min_length=1, description="A weight is pruned where its log α reaches such a value."
    )
    penalty: float | None = Field(
        None, description="Of the twins at the operating points, one of `penalties`. null: the middle one."
    )
    penalties: tuple[float, ...] = Field((), description="All that the twins have; empty: as their settings say.")


class VariationalThresholds(Sparsifier):
    """A twin for every penalty and threshold; those of one penalty are compared."""

    id = "vdt"
    title = "Variational dropout, thresholds"
    short = "VD thresholds"
    section = "variational_thresholds"
    sweep = SweepParameter("threshold", "Threshold of log α", "threshold {:g}")
    Settings = Settings

    def needs(self, settings: Settings) -> tuple[str, ...]:
        return (settings.twins,)

    def resolve_settings(self, settings: Settings, others: Mapping[str, base.Settings], epochs: int | None) -> Settings:
        trained = others.get(settings.twins)
        if trained is None:
            raise ValueError(f"twins: {settings.twins!r} is no method of this zoo; add it to the configuration's twins")
        if not isinstance(trained, variational_sweep.Settings):
            raise ValueError(f"twins: {settings.twins!r} has no noise with penalties; choose vds or vdg")
        if settings.penalties not in ((), trained.penalties):
            raise ValueError(f"penalties: they are those of {settings.twins}; leave the key out")
        penalty = trained.penalties[len(trained.penalties) // 2] if settings.penalty is None else settings.penalty
        if penalty not in trained.penalties:
            run = ", ".join(f"{value:g}" for value in trained.penalties)
            raise ValueError(f"penalty: {penalty:g} is not among those of {settings.twins} ({run}); choose one of them")
        return settings.model_copy(update={"penalties": trained.penalties, "penalty": penalty})

    def axes(self, settings: Settings) -> tuple[Axis, ...]:
        return (Axis("penalty", settings.penalties), Axis("threshold", settings.thresholds))

    def curve(self, settings: Settings) -> list[Point]:
        return [Point(value, 0, {"penalty": settings.penalty, "threshold": value}) for value in settings.thresholds]

    def default_point(self, settings: Settings) -> float:
        return min(settings.thresholds, key=lambda value: abs(value - 3))

    def population(self, inputs: SparsifierInputs, settings: Settings) -> Population:
        import torch

        from zootwins.population import Population
        from zootwins.population.variational import GaussianNoise

        originals, shard, axes = inputs.originals, inputs.twins[settings.twins], self.axes(settings)
        if list(shard.models) != list(originals.models) or list(shard.axes) != [axes[0]]:
            raise InputError(f"{shard.path}: its twins are not those of the originals; {remedy(shard.path)}")
        last = {name: shard.twins(name)[:, :, -1].flatten(0, 1) for name in shard.parameters}
        pruned = [GaussianNoise(threshold).deterministic(last) for threshold in settings.thresholds]
        return Population(
            originals.architecture,
            repeated(originals.factors, len(settings.penalties) * len(settings.thresholds), settings.lr),
            torch.tensor(twin_keys(self.id, inputs, axes), dtype=torch.int64),
            {name: torch.stack([each[name] for each in pruned], dim=1).flatten(0, 1) for name in pruned[0]},
        )

    def plan(self, inputs: SparsifierInputs, settings: Settings) -> Plan:
        from zootwins.population.trajectory import Plan

        return Plan(settings.epochs, prediction_states=(0,))
