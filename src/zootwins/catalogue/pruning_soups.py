"""Settings of soups while pruning trains, as a section of the configuration."""

from typing import Annotated, Any, Literal

from pydantic import Field

from zootwins.run.settings import Ascending, Percent, Section
from zootwins.sparsifiers.registry import REGISTRY

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
