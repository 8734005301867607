"""Losses of a hyper-representation: contrast of two views, and reconstruction of weights and log α."""

import torch
from torch import Tensor
from torch.nn import functional as F


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Compute NT-Xent (Chen et al. 2020) of two views `[models, features]`.

    Each of the 2·models vectors has to find its other view among all others, by cosine similarity.
    """
    views = F.normalize(torch.cat((first, second)), dim=1)
    similarity = (views @ views.T / temperature).fill_diagonal_(-torch.inf)
    partner = torch.arange(len(views), device=views.device).roll(len(first))
    return F.cross_entropy(similarity, partner)


def weight_errors(predicted: Tensor, weights: Tensor, scale: Tensor) -> Tensor:
    """Return squared errors, in units of the standard deviation of a parameter's layer; `[models, parameters]`."""
    return ((predicted - weights) / scale).square()


def normalise_alpha(alphas: Tensor, threshold: float, scale: float) -> Tensor:
    """Compute tanh((log α − threshold) / scale), which resolves values near the threshold (equation 2)."""
    return torch.tanh((alphas - threshold) / scale)


def alpha_errors(predicted: Tensor, alphas: Tensor, threshold: float, scale: float) -> Tensor:
    """Return squared errors of normalised log α, `[models, parameters]`."""
    return (normalise_alpha(predicted, threshold, scale) - normalise_alpha(alphas, threshold, scale)).square()
