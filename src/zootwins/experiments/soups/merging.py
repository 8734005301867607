"""Averages of networks: uniform, and greedy on validation images as `GreedySoup` of SMS has it.

Networks are parameters by name, `[models, goals, members, …]`. Sums are in float64: m equal copies average to
themselves bit for bit, and what is 0 in all stays 0.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Networks = Mapping[str, Tensor]


def merge(networks: Networks, chosen: Tensor | None = None) -> dict[str, Tensor]:
    """Average the members, kept as an axis of one: `[models, goals, 1, …]`.

    Args:
        networks: those to average.
        chosen: bool `[models, goals, members]`, which members are averaged; all if None.
    """
    return {name: _mean(tensor, chosen).to(tensor.dtype) for name, tensor in networks.items()}


def _mean(tensor: Tensor, chosen: Tensor | None) -> Tensor:
    if chosen is None:
        return tensor.double().mean(2, keepdim=True)
    weights = chosen.double().reshape(*chosen.shape, *(1,) * (tensor.ndim - 3))
    return (tensor.double() * weights).sum(2, keepdim=True) / weights.sum(2, keepdim=True)


def greedy(networks: Networks, validation: Tensor, score: Callable[[Networks], Tensor]) -> Tensor:
    """Return which members a greedy soup takes, bool `[models, goals, members]`.

    The best member comes first (of equals, the one with the lower number); then each in turn is added and stays if the
    average is at least as good as the best so far.

    Args:
        networks: the members.
        validation: their accuracies on validation images, `[models, goals, members]`.
        score: the accuracy on validation images of networks `[models, goals, 1, …]`, as `[models, goals, 1]`.
    """
    order = validation.argsort(dim=2, descending=True, stable=True)
    chosen = torch.zeros_like(validation, dtype=torch.bool).scatter(2, order[..., :1], True)
    best = validation.gather(2, order[..., :1])
    for position in range(1, validation.shape[2]):
        trial = chosen.scatter(2, order[..., position : position + 1], True)
        accuracy = score(merge(networks, trial))
        better = accuracy >= best
        chosen = torch.where(better, trial, chosen)
        best = torch.where(better, accuracy, best)
    return chosen
