"""What weights are ranked by: `[models, …]` by the weight's name, and the highest stay.

Gradients and the inputs of layers are given; where they come from is the engine's business.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from zootwins.population.architectures import Architecture
from zootwins.population.batched_network import ActivationRun, forward


def magnitude(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return |w|."""
    return {name: weight.abs() for name, weight in weights.items()}


def saliency(weights: Mapping[str, Tensor], gradients: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return |w·∂L/∂w|: SNIP (Lee et al. 2019) before training, first-order Taylor (Molchanov et al. 2017) after it."""
    return {name: (weight * gradients[name]).abs() for name, weight in weights.items()}


def gradient_flow(weights: Mapping[str, Tensor], products: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return w·Hg, which GraSP (Wang et al. 2020) keeps the highest of; `products` are H·g, Hessian times gradient."""
    return {name: weight * products[name] for name, weight in weights.items()}


def normalised(scores: Mapping[str, Tensor], least: float = 0.0) -> dict[str, Tensor]:
    """Divide by the sum over a model's weights, as SNIP does, or by its absolute value plus `least`, as GraSP."""
    total = sum(score.flatten(1).sum(1) for score in scores.values()).abs() + least
    return {name: score / total.view(-1, *[1] * (score.ndim - 1)) for name, score in scores.items()}


def activation_weighted(weights: Mapping[str, Tensor], norms: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return |w|·‖x‖, Wanda's score (Sun et al. 2024).

    Args:
        norms: of each input of a row over images and positions, by the weight's name, `[models, inputs · kernel²]`.
    """
    return {name: weight.abs() * norms[name].view_as(weight[:, :1]) for name, weight in weights.items()}


def identity(hidden: Tensor) -> Tensor:
    """Return the argument: the activation that SynFlow is scored with."""
    return hidden


def synaptic_flow(
    architecture: Architecture,
    parameters: Mapping[str, Tensor],
    activation: Callable[[Tensor], Tensor] = identity,
) -> dict[str, Tensor]:
    """Return |θ·∂R/∂θ| in float64, R being the sum of the outputs for an image of ones and parameters |θ|.

    Tanaka et al. (2020), biases included as in their code. No data. Activations are left out: ReLU is the identity
    here, while tanh saturates at |θ| and hides the first layers.
    """
    magnitudes = {name: parameter.double().abs().requires_grad_() for name, parameter in parameters.items()}
    size = architecture.image_size
    ones = torch.ones(1, 1, architecture.channels, size, size, dtype=torch.float64)
    models = len(next(iter(parameters.values())))
    with torch.enable_grad():
        outputs, _ = forward(architecture, [ActivationRun(slice(0, models), activation)], magnitudes, ones)
        weights = [magnitudes[name] for name in architecture.weight_names]
        gradients = torch.autograd.grad(outputs.sum(), weights)
    return {
        name: (weight * gradient).detach().abs()
        for name, weight, gradient in zip(architecture.weight_names, weights, gradients, strict=True)
    }
