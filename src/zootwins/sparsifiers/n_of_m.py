"""N:M sparsity: N of every M neighbouring weights along an output's inputs stay, the largest; the rest is fine-tuned.

The pattern that sparse tensor cores compute with is 2:4. `structures.nm_masks` has the order of the neighbours and the
rule for what is left where the inputs are no multiple of M, such as the 25 of a 5×5 convolution of one channel.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from zootwins.run.settings import Once
from zootwins.sparsifiers import base, composed
from zootwins.sparsifiers.composition import SCORES, STRUCTURES, Composition, part


def _sparsity(pattern: str) -> float:
    """The share of a whole group that is pruned, in percent."""
    n, m = map(int, pattern.split(":"))
    return 100 * (1 - n / m)


def _increasing(patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        if not 0 < _sparsity(pattern) < 100:
            raise ValueError(f"{pattern} keeps none or all of the weights; write N:M with 0 < N < M")
    ordered = tuple(sorted(patterns, key=_sparsity))
    if len(set(map(_sparsity, ordered))) < len(ordered):
        raise ValueError("two patterns prune the same share of the weights; leave one out")
    return ordered


class Settings(base.Settings):
    """Settings of N:M sparsity."""

    patterns: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^[0-9]+:[0-9]+$")], ...], Once, AfterValidator(_increasing)
    ] = Field(
        min_length=1,
        description="`N:M`: of every M neighbours N stay, of a remainder of r inputs ⌈r·N/M⌉. An unpruned control is "
        "always fine-tuned beside them.",
    )
    min_left: int = Field(0, ge=0, le=0, description="A pattern leaves weights in every layer.")
    start: str = Field("trained", pattern="^trained$", description="The weights to start from: the originals'.")

    @property
    def sparsities(self) -> tuple[float, ...]:
        """What patterns prune of whole groups, in percent."""
        return tuple(map(_sparsity, self.patterns))

    @property
    def ratios(self) -> tuple[float, ...]:
        """The same as fractions, the unpruned control (0) first."""
        return (0.0, *(percent / 100 for percent in self.sparsities))


class NOfM(composed.Composed):
    """One-shot pruning by magnitude in groups of neighbours."""

    id = "nm"
    title = "N:M sparsity"
    short = "N:M"
    colour = "#332288"
    section = "n_of_m"
    Settings = Settings

    def composition(self, settings: Settings, ratio: float) -> Composition:
        pattern = settings.patterns[max(0, settings.ratios.index(ratio) - 1)]  # of the control any
        n, m = map(int, pattern.split(":"))
        return Composition(part(SCORES, "magnitude"), structure=part(STRUCTURES, "n_of_m", n=n, m=m))
