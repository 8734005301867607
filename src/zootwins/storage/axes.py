"""What the twins of one model differ by."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product


@dataclass(frozen=True)
class Axis:
    """One of the axes that a method spreads a model's twins over.

    Attributes:
        name: of the column that long tables have for it, such as `ratio`.
        values: such as the requested sparsities, as fractions.
    """

    name: str
    values: tuple[float, ...]


def coordinates(axes: Sequence[Axis]) -> list[dict[str, float]]:
    """Where each of a model's twins lies on the axes, the last axis fastest; one empty mapping without axes."""
    names = [axis.name for axis in axes]
    return [dict(zip(names, values, strict=True)) for values in product(*(axis.values for axis in axes))]
