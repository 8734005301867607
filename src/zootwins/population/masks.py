"""Which weights stay: masks by magnitude or another score, over the whole network or by layer, exact to the weight."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def pruning_masks(weights: Mapping[str, Tensor], ratio: float, scope: str) -> dict[str, Tensor]:
    """Return which weights stay, bool of the weights' shapes, when the share `ratio` of least magnitude goes.

    Exactly round(ratio · number of weights) are pruned; among equals the first ones go.

    Args:
        weights: `{layer}.weight`, each `[models, …]`.
        scope: "global" ranks all weights of a model together, "layer" those of each layer.
    """
    return lowest_pruned({name: weight.abs() for name, weight in weights.items()}, ratio, scope)


def lowest_pruned(scores: Mapping[str, Tensor], ratio: float, scope: str) -> dict[str, Tensor]:
    """Return the same for any score of the weights: those with the lowest go."""
    return keep_highest(scores, dict.fromkeys(scores, ratio) if scope == "layer" else ratio)


def keep_highest(
    scores: Mapping[str, Tensor], ratios: float | Mapping[str, float], min_left: int = 0
) -> dict[str, Tensor]:
    """Return which entries stay, bool of the scores' shapes, when a share with the lowest scores goes.

    Exactly round(ratio · entries) go, unless `min_left` protects them; among equals the first ones go, NaN go last.

    Args:
        scores: of each layer, `[models, …]`.
        ratios: the share that goes, of all layers together, or of each layer by the names of the scores.
        min_left: so many of each layer's entries stay, the highest, whatever the ratio.
    """
    flat = {name: score.flatten(1) for name, score in scores.items()}
    most = {name: max(0, score.shape[1] - min_left) for name, score in flat.items()}  # that may go
    if isinstance(ratios, Mapping):
        kept = [_keep(score, min(round(ratios[name] * score.shape[1]), most[name])) for name, score in flat.items()]
    else:
        joined = torch.cat(list(flat.values()), dim=1)
        protected = torch.cat([_keep(score, most[name]) for name, score in flat.items()], dim=1) if min_left else None
        joint = _keep(joined, min(round(ratios * joined.shape[1]), sum(most.values())), protected)
        kept = joint.split([score.shape[1] for score in flat.values()], dim=1)
    return {name: part.view_as(score) for part, (name, score) in zip(kept, scores.items(), strict=True)}


def _keep(scores: Tensor, pruned: int, protected: Tensor | None = None) -> Tensor:
    """Return True but for the lowest `pruned` scores of each row `[models, entries]`; protected ones go last."""
    if pruned and protected is None and scores.dtype != torch.bool and not scores.isnan().any():
        return _keep_by_selection(scores, pruned)
    order = scores.argsort(dim=1, stable=True)
    if protected is not None:
        order = order.gather(1, protected.gather(1, order).to(torch.int8).argsort(dim=1, stable=True))
    return torch.ones_like(scores, dtype=torch.bool).scatter(1, order[:, :pruned], False)


def _keep_by_selection(scores: Tensor, pruned: int) -> Tensor:
    """Return the same without sorting, several times as fast: masks may change every few steps."""
    last = scores.topk(pruned, dim=1, largest=False, sorted=False).values.amax(1, keepdim=True)
    lower, equal = scores < last, scores == last
    return ~(lower | (equal & (equal.cumsum(1) <= pruned - lower.sum(1, keepdim=True))))


def interleaved(ways: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return tensors of the same models in several ways, each `[models, …]`, as `[models · ways, …]`."""
    return {name: torch.stack([mask[name] for mask in ways], dim=1).flatten(0, 1) for name in ways[0]}
