"""The forward pass of a population as batched PyTorch operations.

Activations are held as `[models, channels, samples, height, width]`, so that a convolution is one batched matrix
product with its patches (im2col) and needs no transposition.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor
from torch.nn import functional as F

from zootwins.population import Population
from zootwins.population.architectures import ACTIVATIONS, Architecture, Layer
from zootwins.population.randomness import normals
from zootwins.population.variational import EPSILON, FC_CLAMP, log_alpha


@dataclass(frozen=True)
class ActivationRun:
    models: slice
    function: Callable[[Tensor], Tensor]


def activation_runs(population: Population, models: Tensor) -> list[ActivationRun]:
    """The activation functions of models whose indices are given, for neighbours that share one."""
    names = [population.factors[model].activation for model in models.tolist()]
    runs, start = [], 0
    for name, group in groupby(names):
        stop = start + len(list(group))
        runs.append(ActivationRun(slice(start, stop), ACTIVATIONS[name]))
        start = stop
    return runs


def _activate(runs: Sequence[ActivationRun], hidden: Tensor) -> Tensor:
    if len(runs) == 1:
        return runs[0].function(hidden)
    return torch.cat([run.function(hidden[run.models]) for run in runs])


def forward(
    architecture: Architecture,
    activations: Sequence[ActivationRun],
    parameters: Mapping[str, Tensor],
    images: Tensor,
    dropout: Mapping[str, Tensor] | None = None,
    noise: Mapping[str, Tensor] | None = None,
    linear_clamp: float = FC_CLAMP,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits `[models, classes, batch]` of images `[models or 1, batch, channels, height, width]`.

    Beside them what each layer takes, by its name, `[models or 1, its inputs, batch, height, width]`.
    `dropout` holds factors that a layer's activations are multiplied with; `noise` is standard normal noise of a
    layer's outputs, without which the weights are taken as they are; with it, log α is clamped in linear layers.
    """
    hidden, inputs = images.transpose(1, 2), {}
    for layer in architecture.layers:
        if layer.name == "fc1":
            hidden = hidden.permute(0, 1, 3, 4, 2).flatten(1, 3)[..., None, None]
        inputs[layer.name] = hidden
        patches, batch = _patches(layer, hidden)
        hidden = _linear(layer, parameters, patches)
        if noise is not None:
            deviation = (_output_variance(layer, parameters, patches, linear_clamp) + EPSILON).sqrt()
            hidden = torch.addcmul(hidden, deviation, noise[layer.name].flatten(2))
        hidden = hidden.unflatten(2, (batch, layer.size, layer.size))
        if layer.pool:
            hidden = F.max_pool2d(hidden.flatten(0, 1), 2).unflatten(0, hidden.shape[:2])
        if layer.activation:
            hidden = _activate(activations, hidden)
        if dropout is not None and layer.dropout:
            hidden = hidden * dropout[layer.name]
    return hidden[..., 0, 0], inputs


def output_noise(
    architecture: Architecture, keys: Tensor, epoch: int, first: int, batch: int, dtype: torch.dtype
) -> dict[str, Tensor]:
    """`forward`'s noise for a batch at a position of an epoch: `[models, outputs, batch, height, width]` a layer."""
    numbers = normals(keys, epoch, first, batch, architecture.noise_offsets[-1]).to(dtype)
    return {
        layer.name: channels_second(numbers, offset, layer, layer.size)
        for layer, offset in zip(architecture.layers, architecture.noise_offsets[:-1], strict=True)
    }


def channels_second(numbers: Tensor, offset: int, layer: Layer, size: int) -> Tensor:
    """A layer's part of all sites' numbers `[models, batch, sites]`, as `[models, outputs, batch, height, width]`."""
    part = numbers[:, :, offset : offset + layer.outputs * size**2]
    return part.unflatten(2, (size, size, layer.outputs)).permute(0, 4, 1, 2, 3)


def _patches(layer: Layer, hidden: Tensor) -> tuple[Tensor, int]:
    """A layer's input as the columns of a matrix, `[models, inputs·kernel², batch·height·width]`, and the batch."""
    if layer.is_conv:
        return _Im2Col.apply(hidden, layer.kernel).flatten(1, 3).flatten(2), hidden.shape[2]
    return hidden[..., 0, 0], hidden.shape[2]


class _Im2Col(torch.autograd.Function):
    """`[models, inputs, batch, H, W]` → `[models, inputs, k, k, batch, H-k+1, W-k+1]`, contiguous."""

    @staticmethod
    def forward(ctx, hidden: Tensor, kernel: int) -> Tensor:
        ctx.kernel, ctx.shape = kernel, hidden.shape
        return hidden.unfold(3, kernel, 1).unfold(4, kernel, 1).permute(0, 1, 5, 6, 2, 3, 4).contiguous()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        height, width = gradient.shape[-2:]
        result = gradient.new_zeros(ctx.shape)
        for row in range(ctx.kernel):
            for column in range(ctx.kernel):
                result[..., row : row + height, column : column + width] += gradient[:, :, row, column]
        return result, None


def _linear(layer: Layer, parameters: Mapping[str, Tensor], patches: Tensor) -> Tensor:
    """`[models, outputs, batch·height·width]`."""
    weight, bias = parameters[f"{layer.name}.weight"], parameters[f"{layer.name}.bias"]
    return weight.flatten(2) @ patches + bias[..., None]


def _output_variance(layer: Layer, parameters: Mapping[str, Tensor], patches: Tensor, clamp: float) -> Tensor:
    """Variance of a layer's outputs under the weights' noise, Σ x²·α·w²; biases with a log σ² are noisy too."""
    weight = f"{layer.name}.weight"
    alpha = log_alpha(weight, parameters[weight], parameters[f"{layer.name}.log_sigma2"], clamp).exp()
    variance = (alpha * parameters[weight].square()).flatten(2) @ patches.square()
    if f"{layer.name}.bias_log_sigma2" in parameters:
        bias = f"{layer.name}.bias"
        alpha = log_alpha(bias, parameters[bias], parameters[f"{layer.name}.bias_log_sigma2"]).exp()
        variance = variance + (alpha * parameters[bias].square())[..., None]
    return variance
