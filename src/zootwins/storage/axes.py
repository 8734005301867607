"""What the twins of one model differ by."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """One of the axes that a method spreads a model's twins over.

    Attributes:
        name: of the column that long tables have for it, such as `ratio`.
        values: such as the requested sparsities, as fractions.
    """

    name: str
    values: tuple[float, ...]
