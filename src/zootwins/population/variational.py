"""Mathematics of sparse variational dropout (Molchanov, Ashukha, Vetrov 2017), as the paper's authors run it.

A weight w has noise variance α·w², with log α = log σ² − 2·log(|w| + 1e-15) clamped per kind of layer. Convolution
biases are noisy too; biases of linear layers are deterministic. What others do otherwise can be set.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from zootwins.population.weights import Weights, is_convolution, layer_weights

EPSILON = 1e-15  # added to |w| and to output variances
CONV_CLAMP, FC_CLAMP = 8.0, 10.0
K1, K2, K3 = 0.63576, 1.8732, 1.48695  # KL approximation, eq. 14 of Molchanov et al.


def noisy_parameters(parameters: Mapping[str, Tensor]) -> dict[str, str]:
    """Return the name of the log σ² of every parameter that has one: `conv1.weight` → `conv1.log_sigma2`, …."""
    partners = {}
    for name in parameters:
        layer, _, kind = name.rpartition(".")
        partner = f"{layer}.log_sigma2" if kind == "weight" else f"{layer}.bias_log_sigma2"
        if kind in ("weight", "bias") and partner in parameters:
            partners[name] = partner
    return partners


def log_alpha(parameter: Tensor, log_sigma2: Tensor, *, is_conv: bool, linear_clamp: float = FC_CLAMP) -> Tensor:
    """Return the clamped log α of a weight or bias, of its shape.

    Args:
        parameter: of any shape.
        log_sigma2: of the same.
        is_conv: whether it belongs to a convolution, for which the clamp is `CONV_CLAMP`.
        linear_clamp: of linear layers.
    """
    return _clamped(parameter, log_sigma2, CONV_CLAMP if is_conv else linear_clamp)


def reaches(threshold: float, parameter: Tensor, log_sigma2: Tensor, bound: float = FC_CLAMP) -> Tensor:
    """Return where the clamped log α is at or above a threshold, bool of the parameter's shape.

    Args:
        bound: of log α in either direction; it matters for thresholds beyond it alone.
    """
    return _clamped(parameter, log_sigma2, bound) >= threshold


def _clamped(parameter: Tensor, log_sigma2: Tensor, bound: float) -> Tensor:
    return (log_sigma2 - 2 * (parameter.abs() + EPSILON).log()).clamp(-bound, bound)


def kl_divergence(log_alpha: Tensor) -> Tensor:
    """Approximate KL divergence from the log-uniform prior, elementwise: zero where α is infinite."""
    return -(K1 * torch.sigmoid(K2 + K3 * log_alpha) - 0.5 * torch.log1p(torch.exp(-log_alpha)) - K1)


def _has_kernels(parameters: Mapping[str, Tensor], layer: str) -> bool:
    """Return whether a layer is a convolution, of parameters `[…, *shape]` with any dimensions before their shapes."""
    weight, bias = parameters[f"{layer}.weight"], parameters.get(f"{layer}.bias")
    return is_convolution(weight) if bias is None else weight.ndim - bias.ndim == 3


@dataclass(frozen=True)
class GaussianNoise(Weights):
    """Weights of variational dropout: each bears noise of variance σ², and is pruned where log α ≥ `threshold`.

    Attributes:
        initial_log_sigma2: of everything that is noisy.
        linear_clamp: of log α in linear layers, in either direction.
        noisy_biases: whether biases of convolutions are noisy.
        noise_decays: whether weight decay acts on log σ² too.
    """

    threshold: float = 3.0
    initial_log_sigma2: float = -10.0
    linear_clamp: float = FC_CLAMP
    noisy_biases: bool = True
    noise_decays: bool = True

    def start(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a copy with a constant log σ² added for all weights and for noisy biases of convolutions."""
        started = {name: parameter.clone() for name, parameter in parameters.items()}
        for name in layer_weights(parameters):
            layer = name.removesuffix(".weight")
            started[f"{layer}.log_sigma2"] = torch.full_like(parameters[name], self.initial_log_sigma2)
            if self.noisy_biases and is_convolution(parameters[name]) and f"{layer}.bias" in parameters:
                started[f"{layer}.bias_log_sigma2"] = torch.full_like(
                    parameters[f"{layer}.bias"], self.initial_log_sigma2
                )
        return started

    def deterministic(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return weights and biases, 0 at or above the threshold; the log σ² are left out."""
        partners = noisy_parameters(parameters)
        pruned = {}
        for name, parameter in parameters.items():
            if name in partners:
                layer = name.removesuffix(".bias").removesuffix(".weight")
                bound = CONV_CLAMP if _has_kernels(parameters, layer) else self.linear_clamp
                gone = reaches(self.threshold, parameter, parameters[partners[name]], bound)
                pruned[name] = torch.where(gone, 0, parameter)
            elif not name.endswith("log_sigma2"):
                pruned[name] = parameter
        return pruned

    def penalty(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """Return the KL divergence of each model's noisy parameters from the log-uniform prior, summed; `[models]`."""
        divergences = [
            kl_divergence(self._log_alpha(name, parameters, partner)).flatten(1).sum(1)
            for name, partner in noisy_parameters(parameters).items()
        ]
        return torch.stack(divergences).sum(0)

    def with_log_alpha(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the parameters with `{layer}.log_alpha` and `{layer}.bias_log_alpha` of what is noisy beside them.

        Noise and penalty both need them: they are worked out once where they are given.
        """
        given = {
            partner.replace("log_sigma2", "log_alpha"): self._log_alpha(name, parameters, partner)
            for name, partner in noisy_parameters(parameters).items()
        }
        return {**parameters, **given}

    def _log_alpha(self, name: str, parameters: Mapping[str, Tensor], partner: str) -> Tensor:
        if (given := parameters.get(partner.replace("log_sigma2", "log_alpha"))) is not None:
            return given
        weight = parameters[name.removesuffix(".bias").removesuffix(".weight") + ".weight"]
        return log_alpha(
            parameters[name],
            parameters[partner],
            is_conv=is_convolution(weight),
            linear_clamp=self.linear_clamp,
        )

    def decays(self, parameter: str) -> bool:
        """Return whether a parameter decays: weights and biases do, log σ² only with `noise_decays`."""
        return self.noise_decays or not parameter.endswith("log_sigma2")
