"""Settings of soups while pruning trains, as a section of the configuration."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from zootwins.run.settings import Ascending, Percent, Section
from zootwins.sparsifiers.pruning import Pruning
from zootwins.sparsifiers.registry import REGISTRY, get_sparsifier

# What is trained of each twin: a folder of shards each (`zootwins.experiments.soups.while_pruning`).
ARMS = ("single", "restarted", "long", "member", "soup")


class PruningSoups(Section):
    """Soups while pruning trains: copies of a twin are averaged whenever the method changes its masks."""

    methods: dict[Literal[*REGISTRY], dict[str, Any]] = Field(
        min_length=1,
        description="Methods whose twins are trained with and without soups, by their ids, each with the keys of its "
        "section that differ here. Methods with masks that change during training: gmp, imp, acdc, dpf, rigl, set, "
        "composed.",
    )
    sparsities: Annotated[tuple[Percent, ...], Ascending] = Field(
        min_length=1, description="Percent of the weights to prune, whatever the methods' sections say."
    )
    members: int = Field(
        ge=2, le=100, description="Copies of each twin, and how many times as long the run without soups trains."
    )

    @field_validator("methods")
    @classmethod
    def _known(cls, methods: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for method, own in methods.items():
            sparsifier = get_sparsifier(method)
            keys = sparsifier.Settings.model_fields
            if not isinstance(sparsifier, Pruning) or "sparsities" not in keys:
                raise ValueError(
                    f"{method}: is not pruned to sparsities by masks that copies could share; leave it out"
                )
            if unknown := [key for key in own if key not in keys]:
                known = ", ".join(keys)
                raise ValueError(f"{method}: there is no key {unknown[0]!r} in {sparsifier.section}; there are {known}")
        return methods
