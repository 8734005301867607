"""Where a zoo comes from, as the catalogue says it."""

from dataclasses import dataclass
from math import prod

# The generating factors that a zoo may vary beside the seed: columns of models.csv, fields of `Factors`, and the lists
# of a zoo that is trained here.
FACTORS = ("activation", "init", "optimizer", "lr", "weight_decay", "dropout")


@dataclass(frozen=True)
class ArchiveSource:
    """A zip in the raw ModelZoo layout: a path, a URL, or a file of a Zenodo record; what its bytes must hash to.

    `file` is the name in the record, or a pattern with * and ? that exactly one name matches.
    """

    path: str | None = None
    url: str | None = None
    zenodo: int | None = None
    file: str | None = None
    sha256: str | None = None
    md5: str | None = None


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
        return self.seeds * prod(len(getattr(self, name)) for name in FACTORS)
