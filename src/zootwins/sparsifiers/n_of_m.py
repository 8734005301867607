"""N:M sparsity: N of every M neighbouring weights along an output's inputs stay, the largest; the rest is fine-tuned.

The pattern that sparse tensor cores compute with is 2:4. `structures.nm_masks` has the order of the neighbours and the
rule for what is left where the inputs are no multiple of M, such as the 25 of a 5×5 convolution of one channel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, StringConstraints

from zootwins.run.settings import Once
from zootwins.sparsifiers import pruning
from zootwins.sparsifiers.composition import Composition

if TYPE_CHECKING:
    from collections.abc import Mapping


def _sparsity(pattern: str) -> float:
    """Return the share of a whole group that is pruned, in percent."""
    n, m = map(int, pattern.split(":"))
    return 100 * (1 - n / m)


def _increasing(patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        n, m = map(int, pattern.split(":"))
        if not 0 < n < m:
            raise ValueError(f"{pattern} keeps none or all of the weights; write N:M with 0 < N < M")
    ordered = tuple(sorted(patterns, key=_sparsity))
    if len(set(map(_sparsity, ordered))) < len(ordered):
        raise ValueError("two patterns prune the same share of the weights; leave one out")
    return ordered


class Settings(pruning.RatioSettings):
    """Settings of N:M sparsity."""

    patterns: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^[0-9]+:[0-9]+$")], ...], Once, AfterValidator(_increasing)
    ] = Field(
        min_length=1,
        description="`N:M`: of every M neighbours N stay, of a remainder of r inputs ⌈r·N/M⌉. An unpruned control is "
        "always fine-tuned beside them.",
    )

    @property
    def sparsities(self) -> tuple[float, ...]:
        """What patterns prune of whole groups, in percent."""
        return tuple(map(_sparsity, self.patterns))


class NOfM(pruning.Pruning):
    """One-shot pruning by magnitude in groups of neighbours."""

    id = "nm"
    title = "N:M sparsity"
    short = "N:M"
    section = "n_of_m"
    Settings = Settings

    def composition(self, settings: Settings, at: Mapping[str, float]) -> Composition:
        from zootwins.sparsifiers.scores import Magnitude
        from zootwins.sparsifiers.structures import NM

        pattern = settings.patterns[max(0, settings.ratios.index(at["ratio"]) - 1)]  # of the control any
        n, m = map(int, pattern.split(":"))
        return Composition(Magnitude(), structure=NM(n=n, m=m))
