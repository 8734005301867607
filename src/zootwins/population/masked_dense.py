"""Dense weights behind a mask that training steps through: dynamic pruning with feedback (DPF, Lin et al. 2020).

Networks have m⊙w, and their gradient at all weights moves the dense w, momentum and decay included. What is masked
thus trains on, and comes back with its value when masks change. Masks are parameters without gradient and decay.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from zootwins.population.weights import Weights

SUFFIX = ".kept"


@dataclass(frozen=True)
class MaskedDense(Weights):
    """Dense weights; `{layer}.kept` is the mask, 1 or 0, of the shape of `{layer}.weight`."""

    def start(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a copy with masks added that keep all weights."""
        started = {name: parameter.clone() for name, parameter in parameters.items()}
        for name, parameter in parameters.items():
            if name.endswith(".weight") and parameter.ndim > 2:  # those of normalisation have one number per channel
                started[mask_of(name)] = torch.ones_like(parameter)
        return started

    def masked(self, parameters: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Replace the masks; dense weights stay."""
        return {**parameters, **{mask_of(name): mask.to(parameters[name].dtype) for name, mask in masks.items()}}

    def masks(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return which weights networks have, bool of the weights' shapes."""
        return {
            name.removesuffix(SUFFIX) + ".weight": mask != 0
            for name, mask in parameters.items()
            if name.endswith(SUFFIX)
        }

    def deterministic(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return weights as networks have them, m⊙w, and biases."""
        return {
            name: parameter * parameters[mask_of(name)] if mask_of(name) in parameters else parameter
            for name, parameter in parameters.items()
            if not name.endswith(SUFFIX)
        }

    def trained(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the same values with the gradient of the dense weights."""
        return {
            name: parameters[name] + (masked - parameters[name]).detach()
            for name, masked in self.deterministic(parameters).items()
        }

    def decays(self, parameter: str) -> bool:
        """Return whether a parameter decays: weights and biases do, masks do not."""
        return not parameter.endswith(SUFFIX)


def mask_of(weight: str) -> str:
    """Return the name of the mask of a layer's weights: `conv1.weight` → `conv1.kept`."""
    return weight.removesuffix(".weight") + SUFFIX
