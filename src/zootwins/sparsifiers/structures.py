"""Patterns that masks follow: N:M sparsity, N of every M neighbours along a row's inputs stay."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from zootwins.sparsifiers.allocations import ranks
from zootwins.sparsifiers.composition import Structure


def nm_masks(scores: Mapping[str, Tensor], n: int, m: int) -> dict[str, Tensor]:
    """Keep the `n` highest scores of every `m` neighbours; bool of the scores' shapes `[models, outputs, …]`.

    Neighbours are along a row's inputs in the order kernel row, kernel column, channel, as in IST-DASLab/OBC. A row
    whose number of inputs is no multiple of `m` ends in a group of the remaining r, of which ⌈r·n/m⌉ stay.
    """
    return {name: _nm_mask(score, n, m) for name, score in scores.items()}


def nm_kept(inputs: int, n: int, m: int) -> int:
    """Return how many weights of a row with so many inputs stay."""
    return inputs // m * n + ceil(inputs % m * n / m)


def _nm_mask(score: Tensor, n: int, m: int) -> Tensor:
    channels_last = score.movedim(2, -1)
    rows = channels_last.flatten(2)
    remainder = rows.shape[2] % m
    whole = rows.shape[2] - remainder
    kept = _highest(rows[..., :whole].unflatten(2, (whole // m, m)), n).flatten(2)
    if remainder:
        kept = torch.cat([kept, _highest(rows[..., whole:], ceil(remainder * n / m))], dim=2)
    return kept.view(channels_last.shape).movedim(-1, 2)


def _highest(scores: Tensor, kept: int) -> Tensor:
    return ranks(scores) >= scores.shape[-1] - kept


@dataclass(frozen=True)
class NM(Structure):
    """`n` of every `m` neighbours along a row's inputs stay, whatever the requested sparsity, unless it is 0."""

    n: Annotated[int, Field(ge=1, description="So many of a group stay.")]
    m: Annotated[int, Field(ge=2, description="Neighbours in a group.")]

    def __post_init__(self) -> None:
        if self.n >= self.m:
            raise ValueError(f"{self.n} of every {self.m} are all of the weights; write n < m")

    def choose(self, ranking: dict[str, Tensor], due: float | Mapping[str, float], min_left: int) -> dict[str, Tensor]:
        """Return which weights stay."""
        if not any(due.values() if isinstance(due, Mapping) else [due]):
            return {name: torch.ones_like(score, dtype=torch.bool) for name, score in ranking.items()}
        return nm_masks(ranking, self.n, self.m)


@dataclass(frozen=True)
class AsScored(Structure):
    """All weights stay whose score is above 0: the masks of other twins (`scores.KeptBy`), whatever their sparsity."""

    def choose(self, ranking: dict[str, Tensor], due: float | Mapping[str, float], min_left: int) -> dict[str, Tensor]:
        """Return which weights stay."""
        return {name: score > 0 for name, score in ranking.items()}
