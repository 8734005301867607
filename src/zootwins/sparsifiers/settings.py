"""Settings of the two methods, as the catalogue and configuration give them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MagnitudePruning:
    """Settings of a zoo's magnitude pruning; `lr` None means each model's own. Sparsities in percent."""

    sparsities: tuple[float, ...]
    epochs: int
    lr: float | None = None
    scope: str = "global"

    @property
    def ratios(self) -> tuple[float, ...]:
        """Requested sparsities as fractions, the unpruned control (0) first."""
        return (0.0, *(percent / 100 for percent in sorted(self.sparsities)))


@dataclass(frozen=True)
class VariationalDropout:
    """Settings of a zoo's variational dropout; `lr` None means each model's own."""

    epochs: int
    threshold: float
    lr: float | None = None
