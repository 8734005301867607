"""Mathematics of L0 regularisation with hard concrete gates (Louizos, Welling, Kingma 2018), one gate per weight.

A weight is θ·z. In training z is drawn once per batch: s = σ((log u − log(1 − u) + log α) / β) of a uniform u is
stretched to (γ, ζ) and clipped to [0, 1]; evaluated, z is the stretched and clipped σ(log α). The penalty is the
expected number of gates that are not zero. Constants and the gate's granularity are those of The State of Sparsity
(Gale, Elsen, Hooker 2019); biases have no gates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from zootwins.population.weights import Weights, layer_weights

BETA, GAMMA, ZETA = 2 / 3, -0.1, 1.1
EPSILON = 1e-8  # added to the uniform number in its logarithm
SHIFT = -BETA * log(-GAMMA / ZETA)  # of log α in the probability that a gate is not zero


def sampled_gate(log_alpha: Tensor, uniform: Tensor) -> Tensor:
    """Sample a gate of training, in [0, 1], from a uniform number in (0, 1), elementwise."""
    logistic = ((uniform + EPSILON) / (1 - uniform)).log()
    return _stretched(torch.sigmoid((logistic + log_alpha) / BETA))


def expected_gate(log_alpha: Tensor) -> Tensor:
    """Return the gate of evaluation, in [0, 1]: 0 where log α ≤ −2.398, 1 where it is ≥ 2.398; elementwise."""
    return _stretched(torch.sigmoid(log_alpha))


def _stretched(share: Tensor) -> Tensor:
    return (share * (ZETA - GAMMA) + GAMMA).clamp(0, 1)


def open_probability(log_alpha: Tensor) -> Tensor:
    """Return the probability that a gate of training is not zero, elementwise."""
    return torch.sigmoid(log_alpha + SHIFT)


@dataclass(frozen=True)
class HardConcrete(Weights):
    """Weights with gates; `{layer}.log_alpha` is a parameter of the shape of `{layer}.weight`.

    Attributes:
        initial_log_alpha: of every gate. From 2.398 on a gate of evaluation is 1, so that the models are the ones
            that they started from; the authors' 2.197 takes 2 % from every weight.
        gate_lr: the learning rate of an Adam that the gates have of their own; None trains them as the weights, with
            their optimiser and learning rate, as the authors do.
    """

    initial_log_alpha: float = 2.95
    gate_lr: float | None = None

    def start(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a copy with gates added for the weights of every layer."""
        started = {name: parameter.clone() for name, parameter in parameters.items()}
        for name in layer_weights(parameters):
            started[gates_of(name)] = torch.full_like(parameters[name], self.initial_log_alpha)
        return started

    def sampled(self, parameters: Mapping[str, Tensor], uniforms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Sample weights and biases of a batch from uniform numbers of the weights' names and shapes."""
        return {
            name: parameter * sampled_gate(parameters[gates_of(name)], uniforms[name])
            if name in uniforms
            else parameter
            for name, parameter in parameters.items()
            if not _is_gate(name)
        }

    def deterministic(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return weights times their gates of evaluation, and biases; the log α are left out."""
        return {
            name: parameter * expected_gate(parameters[gates_of(name)]) if gates_of(name) in parameters else parameter
            for name, parameter in parameters.items()
            if not _is_gate(name)
        }

    def penalty(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """Return the expected number of weights whose gates are not zero, `[models]`."""
        probabilities = [open_probability(p).flatten(1).sum(1) for name, p in parameters.items() if _is_gate(name)]
        return torch.stack(probabilities).sum(0)

    def decays(self, parameter: str) -> bool:
        """Return whether a parameter decays: weights and biases do, gates do not."""
        return not _is_gate(parameter)

    def own_lr(self, parameter: str) -> float | None:
        """Return `gate_lr` for gates."""
        return self.gate_lr if _is_gate(parameter) else None


def gates_of(weight: str) -> str:
    """Return the name of the log α of a weight: `conv1.weight` → `conv1.log_alpha`."""
    return weight.removesuffix(".weight") + ".log_alpha"


def _is_gate(parameter: str) -> bool:
    return parameter.endswith(".log_alpha")
