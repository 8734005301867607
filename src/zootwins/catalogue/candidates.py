"""The networks that are transferred. Snakemake reads this whenever it starts: nothing here imports torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from zootwins.catalogue.transfer import MASKS_OF, Transfer
from zootwins.sparsifiers.base import Point

ORIGINAL, RANDOM, SCRATCH, UNTRAINED = "original", "mp_random", "mp_scratch", "untrained"
KINDS = {  # what they are called, beside the methods, whose ids they are not
    ORIGINAL: "Original",
    RANDOM: "Random places",
    SCRATCH: "From scratch",
    UNTRAINED: "Untrained",
}
FROM_INITIAL = (SCRATCH, UNTRAINED)  # made of the models' weights before training


@dataclass(frozen=True)
class Candidate:
    """A network of every model: a twin at an operating point, or one of the other `KINDS`.

    Attributes:
        method: a sparsifier's id, or the kind.
        point: the operating point of the method; of `RANDOM` and `SCRATCH` that of the twin whose counts or mask they
            have. None for what is not pruned.
    """

    method: str
    point: Point | None = None

    @property
    def value(self) -> float:
        """Of the method's sweep parameter; 0 where there is none."""
        return self.point.value if self.point else 0.0

    @property
    def epoch(self) -> int:
        """The state upstream; 0 where there is no training from the original on."""
        return self.point.epoch if self.point and self.method != SCRATCH else 0

    def plain(self) -> dict[str, Any]:
        """Return it as plain values, as Snakemake's parameters hold it."""
        return asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Candidate:
        """Make it from what `plain` returned."""
        return cls(values["method"], values["point"] and Point(**values["point"]))


def candidates(points: Mapping[str, Sequence[Point]], settings: Transfer, mode: str) -> list[Candidate]:
    """Return what is transferred in a mode, `linear` or `full`.

    Args:
        points: of each method, the operating points (`TransferExperiment.points`).
        settings: the experiment's.
        mode: which decides on scratch and untrained networks.
    """
    masks = {point.value: point for point in points.get(MASKS_OF, ())}
    chosen = [Candidate(ORIGINAL)]
    chosen += [Candidate(method, point) for method, own in points.items() for point in own]
    chosen += [Candidate(RANDOM, masks[value]) for value in settings.random]
    chosen += [Candidate(SCRATCH, masks[value]) for value in settings.scratch if mode == "full"]
    if settings.untrained and mode == "linear":
        chosen.append(Candidate(UNTRAINED))
    return chosen
