"""Settings of soups while pruning trains, as a section of the configuration."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from zootwins.run.settings import Ascending, Once, Percent, Section
from zootwins.sparsifiers.pruning import Pruning
from zootwins.sparsifiers.registry import REGISTRY, get_sparsifier

# What is trained of each twin: a folder of shards each (`zootwins.experiments.soups.while_pruning`).
ARMS = ("single", "restarted", "long", "member", "soup")


class PruningSoups(Section):
    """Soups while pruning trains: copies of a twin are averaged whenever the method changes its masks."""

    methods: Annotated[tuple[Literal[*REGISTRY], ...], Once] = Field(
        min_length=1,
        description="Methods whose twins are trained with and without soups, by their ids: those whose masks change "
        "during training, such as gmp, imp, acdc, dpf, rigl and set.",
    )
    settings: dict[Literal[*REGISTRY], dict[str, Any]] = Field(
        {}, description="Of methods, the keys of their sections that differ here."
    )
    sparsities: Annotated[tuple[Percent, ...], Ascending] = Field(
        min_length=1, description="Percent of the weights to prune, whatever the methods' sections say."
    )
    members: int = Field(
        ge=2, le=100, description="Copies of each twin, and how many times as long the run without soups trains."
    )

    @field_validator("methods")
    @classmethod
    def _masked(cls, methods: tuple[str, ...]) -> tuple[str, ...]:
        for method in methods:
            sparsifier = get_sparsifier(method)
            if not isinstance(sparsifier, Pruning) or "sparsities" not in sparsifier.Settings.model_fields:
                raise ValueError(
                    f"{method}: is not pruned to sparsities by masks that copies could share; leave it out"
                )
        return methods

    @field_validator("settings")
    @classmethod
    def _known(cls, settings: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for method, own in settings.items():
            keys, section = get_sparsifier(method).Settings.model_fields, get_sparsifier(method).section
            if unknown := [key for key in own if key not in keys]:
                raise ValueError(f"{method}: {unknown[0]!r} is no key of {section}, which has {', '.join(keys)}")
        return settings
