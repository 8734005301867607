"""Settings of the two methods, of training a zoo, and of the tables, as the catalogue and configuration give them."""

from dataclasses import dataclass
from math import prod


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


@dataclass(frozen=True)
class OperatingPoint:
    """Where a table looks at the twins: MP sparsity in percent, VD epoch; None leaves the method out."""

    mp_sparsity: float | None
    vd_epoch: int | None


@dataclass(frozen=True)
class TrainSource:
    """Generating factors of a zoo to be trained: the product of the lists, times `seeds`."""

    seeds: int
    activation: tuple[str, ...]
    init: tuple[str, ...]
    optimizer: tuple[str, ...]
    lr: tuple[float, ...]
    weight_decay: tuple[float, ...]
    dropout: tuple[float, ...] = (0.0,)
    momentum: float = 0.9
    epochs: int = 50
    batch_size: int = 10
    seed_mode: str = "shared"

    @property
    def models(self) -> int:
        lists = (self.activation, self.init, self.optimizer, self.lr, self.weight_decay, self.dropout)
        return self.seeds * prod(len(values) for values in lists)
