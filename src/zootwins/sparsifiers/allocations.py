"""How a sparsity is divided among layers and rows: Erdős-Rényi-Kernel, LAMP, and equally many of every row.

Scores are `[models, …]` by the weight's name; the lowest go, the first among equals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, prod
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from zootwins.architectures.architecture import Architecture
from zootwins.sparsifiers.composition import Allocation


def ranks(scores: Tensor) -> Tensor:
    """Return the place of each score in its row `[…, n]`: 0 for the lowest, and for the first of equals."""
    return scores.argsort(dim=-1, stable=True).argsort(dim=-1)


def row_ranking(score: Tensor) -> Tensor:
    """Return numbers that rank a layer's weights `[models, rows, …]` row by row, float64: equally many go of each row.

    Wanda's allocation (locuslab/wanda, prune.py), which removes ⌊s·inputs⌋ of every row. Where the number to go is no
    multiple of the rows, the rest goes from the rows whose next score is the lowest, one from each.
    """
    places, weights = ranks(score.flatten(2)), score[:1].numel()
    return (places.view_as(score) * weights + ranks(score.flatten(1)).view_as(score)).double()


def erk_densities(shapes: Mapping[str, Sequence[int]], kept: int) -> dict[str, float]:
    """Return each layer's density under Erdős-Rényi-Kernel (Evci et al. 2020) if `kept` weights stay in all.

    The density of a layer is proportional to Σ shape / Π shape, kernel sizes included. Layers that would be above 1
    are dense, and the others share what is left (google-research/rigl, sparse_utils.py).
    """
    sizes = {name: prod(shape) for name, shape in shapes.items()}
    raw = {name: sum(shape) / sizes[name] for name, shape in shapes.items()}
    dense: set[str] = set()
    while len(dense) < len(shapes):
        left = kept - sum(sizes[name] for name in dense)
        scale = left / sum(raw[name] * sizes[name] for name in shapes if name not in dense)
        highest = max(raw[name] for name in shapes if name not in dense)
        if highest * scale <= 1:
            break
        dense |= {name for name in shapes if raw[name] == highest}
    return {name: 1.0 if name in dense else raw[name] * scale for name in shapes}


def whole_counts(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """Round numbers that sum to about `total` so that they sum to it exactly, by the largest remainders."""
    counts = {name: floor(share + 1e-9) for name, share in shares.items()}
    missing = total - sum(counts.values())
    by_remainder = sorted(shares, key=lambda name: counts[name] - shares[name])
    return counts | {name: counts[name] + 1 for name in by_remainder[:missing]}


def lamp_scores(scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return layer-adaptive scores (Lee et al. 2021), float64: s² over the sum of s² of the scores not below s.

    Layer by layer. The highest of a layer is 1, so that one ranking of all layers cannot empty one.
    """
    return {name: _lamp(score) for name, score in scores.items()}


def _lamp(score: Tensor) -> Tensor:
    squares = score.flatten(1).double().square()
    highest_first, order = squares.sort(dim=1, descending=True)
    sums = highest_first.cumsum(1)
    # the highest is 1 by definition, of a layer of zeros as well
    shares = torch.where(sums > 0, highest_first / sums, 0).index_fill(1, torch.tensor([0]), 1)
    return torch.empty_like(squares).scatter(1, order, shares).view(score.shape)


@dataclass(frozen=True)
class Uniform(Allocation):
    """The same sparsity in every layer."""

    def ratios(self, architecture: Architecture, ratio: float) -> dict[str, float]:
        """Return each layer's share to prune."""
        return dict.fromkeys(architecture.weight_names, ratio)


@dataclass(frozen=True)
class Erk(Allocation):
    """Erdős-Rényi-Kernel: layers with many inputs and outputs are sparser."""

    def ratios(self, architecture: Architecture, ratio: float) -> dict[str, float]:
        """Return each layer's share to prune; the weights that go are round(ratio · weights) in all."""
        shapes = {name: architecture.parameter_shapes[name] for name in architecture.weight_names}
        sizes = {name: prod(shape) for name, shape in shapes.items()}
        kept = architecture.weights - round(ratio * architecture.weights)
        densities = erk_densities(shapes, kept)
        counts = whole_counts({name: densities[name] * sizes[name] for name in shapes}, kept)
        return {name: 1 - counts[name] / sizes[name] for name in shapes}


@dataclass(frozen=True)
class Lamp(Allocation):
    """One ranking of layer-adaptive scores."""

    def ranking(self, scores: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the layer-adaptive scores."""
        return lamp_scores(scores)


@dataclass(frozen=True)
class Rows(Uniform):
    """The same sparsity in every output's row of weights."""

    def ranking(self, scores: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return numbers that rank row by row."""
        return {name: row_ranking(score) for name, score in scores.items()}


@dataclass(frozen=True)
class Extended(Allocation):
    """The first layer dense, the last at most 80 % sparse, the others as sparse as the whole then needs.

    The extended distribution of The State of Sparsity (Gale, Elsen, Hooker 2019); 0.8 is the authors' number.
    """

    last_layer: Annotated[float, Field(ge=0, le=1, description="At most this share of the last layer is pruned.")] = 0.8

    def ratios(self, architecture: Architecture, ratio: float) -> dict[str, float]:
        """Return each layer's share to prune.

        Raises:
            ValueError: if the layers between the first and the last have too few weights.
        """
        if len(architecture.layers) < 3:
            raise ValueError(
                f"extended, one of distributions, takes three layers, and {architecture.name} has "
                f"{len(architecture.layers)}; leave it out"
            )
        first, *between, last = architecture.layers
        of_last, weights = min(ratio, self.last_layer), sum(layer.weights for layer in between)
        of_others = (ratio * architecture.weights - of_last * last.weights) / weights
        if of_others > 1:
            highest = 100 * (weights + self.last_layer * last.weights) / architecture.weights
            raise ValueError(
                f"{100 * ratio:g} % cannot be reached by extended, one of distributions, which on {architecture.name} "
                f"comes to {int(10 * highest) / 10:g} % at most; leave one of them out"
            )
        return {
            f"{first.name}.weight": 0.0,
            **{f"{layer.name}.weight": of_others for layer in between},
            f"{last.name}.weight": of_last,
        }
