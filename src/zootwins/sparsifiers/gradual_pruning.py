"""Gradual magnitude pruning: while a trained model trains on, ever more of its smallest weights are set to zero.

Zhu and Gupta (2017), as The State of Sparsity (Gale, Elsen, Hooker 2019) uses it, with three differences: twins start
from trained models unless `start: init`; masks change at the boundaries of epochs; what is masked stays masked, as in
JaxPruner, unless `regrow`, while in the authors' code it can come back and has moved meanwhile, by momentum and decay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from zootwins.run.settings import Once
from zootwins.sparsifiers import pruning
from zootwins.sparsifiers.base import PROGRESSIVE, Axis
from zootwins.sparsifiers.composition import Allocation, Composition
from zootwins.sparsifiers.schedules import Cubic

if TYPE_CHECKING:
    from collections.abc import Mapping

DISTRIBUTIONS = ("uniform", "global", "extended")  # in the order of the axis's values 0, 1 and 2


class CubicSettings(pruning.Settings):
    """Sparsities in percent, and when they are reached; the first of the ends is at the operating points."""

    begin: int = Field(0, ge=0, description="Nothing is pruned before so many epochs.")
    ends: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Once] = Field(
        min_length=1,
        description="The requested sparsity is reached after so many epochs; the remaining epochs are fine-tuning. "
        "Of several, each has twins of its own, and the first is at the operating points.",
    )
    start: Literal["trained", "init"] = Field(
        "trained", description="The weights to start from: the originals' as they are, or as they were before training."
    )

    @model_validator(mode="after")
    def _in_order(self) -> CubicSettings:
        for end in self.ends:
            if not self.begin <= end < self.epochs:
                raise ValueError(
                    f"begin {self.begin}, ends {end}, epochs {self.epochs}: has to be begin ≤ end < epochs; change one"
                )
        return self

    @property
    def axes(self) -> tuple[Axis, ...]:
        # also of one end: files and columns are the same however many there are
        return (*super().axes, Axis("end", tuple(map(float, self.ends))))

    @property
    def start_epoch(self) -> int | None:
        return 0 if self.start == "init" else None


class Settings(CubicSettings):
    """Settings of gradual magnitude pruning; sparsities in percent."""

    distributions: Annotated[tuple[Literal[*DISTRIBUTIONS], ...], Once] = Field(
        ("uniform",),
        min_length=1,
        description="`uniform`: the same sparsity in every layer; `global`: weights ranked over the whole network; "
        "`extended`: the first layer dense, the last at most 80 % sparse, the others as sparse as the whole then "
        "needs. Of several, each has twins of its own, and the first is at the operating points.",
    )
    regrow: bool = Field(
        False,
        description="Masked weights keep their last value, are ranked with it, and may be restored.",
    )

    @property
    def axes(self) -> tuple[Axis, ...]:
        numbers = tuple(float(DISTRIBUTIONS.index(distribution)) for distribution in self.distributions)
        return (*super().axes, Axis("distribution", numbers))


class GradualPruning(pruning.Pruning):
    """Magnitudes are ranked anew at every epoch of the schedule."""

    id = "gmp"
    title = "Gradual magnitude pruning"
    short = "GMP"
    section = "gradual_pruning"
    kind = PROGRESSIVE
    Settings = Settings

    def composition(self, settings: Settings, at: Mapping[str, float]) -> Composition:
        from zootwins.sparsifiers.allocations import Extended, Uniform
        from zootwins.sparsifiers.scores import Magnitude

        allocations = {"uniform": Uniform(), "global": Allocation(), "extended": Extended()}
        allocation = allocations[DISTRIBUTIONS[int(at["distribution"])]]
        return Composition(Magnitude(), allocation, Cubic(settings.begin, at["end"], remembers=settings.regrow))
