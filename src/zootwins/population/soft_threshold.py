"""Mathematics of soft threshold reparameterization (STR, Kusupati et al. 2020): each layer learns its threshold.

A weight is sign(w)·max(0, |w| − σ(s)), with one s for each layer, trained beside the weights. The gradient of s is
−σ′(s)·Σ sign(w)·∂L/∂w̃ over the weights that are not 0, and that of w is ∂L/∂w̃ there and 0 elsewhere; both follow by
differentiation. The penalty ½·Σ s² pulls s towards 0, so that thresholds rise, as weight decay does in the authors'
code (RAIVNLab/STR); biases have no threshold.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from zootwins.population.weights import Weights

SUFFIX = ".threshold"


def soft_threshold(weights: Tensor, s: Tensor) -> Tensor:
    """Return weights `[models, …]` moved towards 0 by σ(s), `[models, 1]`, and 0 where they would pass it."""
    thresholds = torch.sigmoid(s).view(len(weights), *[1] * (weights.ndim - 1))
    return weights.sign() * (weights.abs() - thresholds).relu()


@dataclass(frozen=True)
class SoftThreshold(Weights):
    """Weights with a threshold for each layer; `{layer}.threshold` is its s, `[models, 1]`.

    Attributes:
        initial: s of every layer at the start; σ(−6) is 0.0025.
        threshold_lr: the learning rate of an Adam that the s have of their own; None trains them as the weights, with
            their optimiser and learning rate, as the authors do.
    """

    initial: float = -6.0
    threshold_lr: float | None = None

    def start(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a copy with a threshold added for every layer."""
        started = {name: parameter.clone() for name, parameter in parameters.items()}
        for name, parameter in parameters.items():
            if name.endswith(".weight") and parameter.ndim > 2:  # those of normalisation have one number per channel
                started[threshold_of(name)] = parameter.new_full((len(parameter), 1), self.initial)
        return started

    def deterministic(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return weights as networks have them, and biases; the s are left out."""
        return {
            name: soft_threshold(parameter, parameters[threshold_of(name)])
            if threshold_of(name) in parameters
            else parameter
            for name, parameter in parameters.items()
            if not name.endswith(SUFFIX)
        }

    def trained(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the deterministic weights: nothing is random about them."""
        return self.deterministic(parameters)

    def penalty(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """Return ½·Σ s² of each model, `[models]`."""
        thresholds = [s for name, s in parameters.items() if name.endswith(SUFFIX)]
        return torch.cat(thresholds, dim=1).square().sum(1) / 2

    def decays(self, parameter: str) -> bool:
        """Return whether a parameter decays: weights and biases do, thresholds have the penalty."""
        return not parameter.endswith(SUFFIX)

    def own_lr(self, parameter: str) -> float | None:
        """Return `threshold_lr` for thresholds."""
        return self.threshold_lr if parameter.endswith(SUFFIX) else None


def threshold_of(weight: str) -> str:
    """Return the name of the s of a layer's weights: `conv1.weight` → `conv1.threshold`."""
    return weight.removesuffix(".weight") + SUFFIX
