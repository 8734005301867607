"""The forward pass of a population: a chain as batched PyTorch operations, any other network by `torch.func`.

In a chain activations are held as `[models, channels, samples, height, width]`, so that a convolution is one batched
matrix product with its patches (im2col) and needs no transposition. Other networks are in `any_network`. Both use the
same random numbers at the same sites, and agree to float rounding.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zootwins.architectures.activations import activation_module
from zootwins.architectures.architecture import Architecture
from zootwins.architectures.steps import OwnActivation
from zootwins.population import Engine, ImageSet, Population, class_dtype
from zootwins.population.any_network import ActivationRun, forward_any
from zootwins.population.randomness import normals, uniforms
from zootwins.population.variational import EPSILON, FC_CLAMP, log_alpha

_MODELS_AT_ONCE, _SAMPLES_AT_ONCE = 16, 50  # the noise of the small CNN: 16 MB as floats, twice that as words
_NO_EPOCH = 0  # whose noise training never draws
_NUMBERS_AT_ONCE = 1 << 20  # in the largest temporary
_SMALL = (
    1 << 15
)  # weights and biases of one model; a larger one goes alone through plain modules, which takes less time


def is_small_chain(architecture: Architecture) -> bool:
    """Whether a network is a chain whose weights stay in a CPU's cache while several models are computed together."""
    numbers = sum(prod(shape) for shape in architecture.parameter_shapes.values())
    return bool(architecture.chain) and numbers <= _SMALL


def goes_alone(architecture: Architecture, models: int) -> bool:
    """Whether so many models are one that takes less time as the plain network: all that is no small chain."""
    return models == 1 and not is_small_chain(architecture)


def activation_runs(population: Population, models: Tensor) -> list[ActivationRun]:
    """Group neighbouring models of given indices by activation function."""
    names = [population.factors[model].activation for model in models.tolist()]
    runs, start = [], 0
    for name, group in groupby(names):
        stop = start + len(list(group))
        runs.append(ActivationRun(slice(start, stop), name, activation_module(name)))
        start = stop
    return runs


@dataclass(frozen=True)
class Draws:
    """The random numbers of a batch, by the names of the modules that use them; empty without any.

    Attributes:
        dropout: what the inputs of dropout modules are multiplied with, 0 or 1/(1-p).
        noise: standard normal noise of the layers' outputs, without which weights are taken as they are. Both are
            `[models, batch, *shape]`, with the module's shape.
        linear_clamp: of log α in linear layers, where there is noise.
    """

    dropout: Mapping[str, Tensor] = field(default_factory=dict)
    noise: Mapping[str, Tensor] = field(default_factory=dict)
    linear_clamp: float = FC_CLAMP


def forward(
    architecture: Architecture,
    activations: Sequence[ActivationRun],
    tensors: Mapping[str, Tensor],
    images: Tensor,
    draws: Draws | None = None,
    taken_by: Collection[str] = (),
    *,
    training: bool | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the logits `[models, classes, batch]` of images `[models or 1, batch, channels, height, width]`.

    Beside them what the layers named in `taken_by` take, `[models or 1, batch, *input shape]`.

    Args:
        architecture: of the models.
        activations: of the models, as `activation_runs` returns them.
        tensors: parameters and buffers, `[models, …]` each. In training, buffers are updated in place.
        images: of a batch; with a first dimension of 1 all models take the same.
        draws: random numbers.
        taken_by: names of layers.
        training: whether batch normalisation uses the batch's statistics and updates its own; if there are draws, if
            None.
    """
    if not architecture.chain or goes_alone(architecture, len(next(iter(tensors.values())))):
        training = draws is not None if training is None else training
        return forward_any(architecture, activations, tensors, images, draws or Draws(), taken_by, training=training)
    draws, hidden, inputs = draws or Draws(), images.transpose(1, 2), {}
    for name, step in architecture.chain:
        if isinstance(step, nn.Conv2d | nn.Linear):
            if name in taken_by:
                inputs[name] = hidden.movedim(2, 1) if isinstance(step, nn.Conv2d) else hidden[..., 0, 0].mT
            hidden = _layer(name, step, tensors, hidden, draws)
        elif isinstance(step, nn.Flatten):
            hidden = hidden.permute(0, 1, 3, 4, 2).flatten(1, 3)[..., None, None]
        elif isinstance(step, OwnActivation):
            hidden = _activate(activations, hidden)
        elif isinstance(step, nn.Dropout):
            if name in draws.dropout:
                hidden = hidden * samples_third(draws.dropout[name])
        else:  # a pool, or an activation that all models have
            hidden = step(hidden.flatten(0, 1)).unflatten(0, hidden.shape[:2])
    return hidden[..., 0, 0], inputs


def _activate(runs: Sequence[ActivationRun], hidden: Tensor) -> Tensor:
    if len(runs) == 1:
        return runs[0].function(hidden)
    if len(hidden) == 1:  # images that all models share
        hidden = hidden.expand(runs[-1].models.stop, *hidden.shape[1:])
    return torch.cat([run.function(hidden[run.models]) for run in runs])


def samples_third(numbers: Tensor) -> Tensor:
    """Permute inputs `[models, batch, …]` to the layout in which a chain holds its activations."""
    return numbers.movedim(1, 2) if numbers.ndim == 5 else numbers.mT[..., None, None]


def draw(
    architecture: Architecture,
    keys: Tensor,
    epoch: int,
    first: int,
    batch: int,
    dtype: torch.dtype,
    *,
    dropout: Tensor | None = None,
    noise: bool = False,
    linear_clamp: float = FC_CLAMP,
) -> Draws:
    """Return the random numbers of a batch that begins at a position of an epoch.

    Args:
        architecture: whose modules need them.
        keys: int64 `[models]`.
        epoch: counts.
        first: the position.
        batch: images in it.
        dtype: of what is returned.
        dropout: each model's probability, `[models, 1]`; None where no model has any.
        noise: whether weights are noisy.
        linear_clamp: of log α in linear layers.
    """
    factors, noises = {}, {}
    if dropout is not None and architecture.dropouts:
        numbers = uniforms(keys, epoch, first, batch, architecture.dropout_offsets[-1])
        scale = (numbers >= dropout.float()[..., None]).to(dtype) / (1 - dropout[..., None])
        factors = {
            module.name: channels_first(scale, offset, module.shape)
            for module, offset in zip(architecture.dropouts, architecture.dropout_offsets[:-1], strict=True)
        }
    if noise:
        normal = normals(keys, epoch, first, batch, architecture.noise_offsets[-1]).to(dtype)
        noises = {
            layer.name: channels_first(normal, offset, layer.output_shape)
            for layer, offset in zip(architecture.layers, architecture.noise_offsets[:-1], strict=True)
        }
    return Draws(factors, noises, linear_clamp)


def channels_first(numbers: Tensor, offset: int, shape: Sequence[int]) -> Tensor:
    """Return one module's part of all sites' numbers `[models, batch, sites]`, as `[models, batch, *shape]`.

    Sites of an image are numbered `[row, column, channel]`, channel fastest.
    """
    if len(shape) != 3:
        return numbers[:, :, offset : offset + torch.Size(shape).numel()].unflatten(2, tuple(shape))
    channels, height, width = shape
    part = numbers[:, :, offset : offset + channels * height * width]
    return part.unflatten(2, (height, width, channels)).permute(0, 1, 4, 2, 3)


def _layer(name: str, step: nn.Module, tensors: Mapping[str, Tensor], hidden: Tensor, draws: Draws) -> Tensor:
    """Compute a layer's outputs, with noise where there is some."""
    patches, shape = _patches(step, hidden)
    weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
    outputs = weight.flatten(2) @ patches + bias[..., None]
    if name in draws.noise:
        deviation = (_output_variance(name, step, tensors, patches, draws.linear_clamp) + EPSILON).sqrt()
        outputs = torch.addcmul(outputs, deviation, samples_third(draws.noise[name]).flatten(2))
    return outputs.unflatten(2, shape)


def _patches(step: nn.Module, hidden: Tensor) -> tuple[Tensor, tuple[int, int, int]]:
    """Return a layer's input as a matrix of columns, `[models, inputs·kernel², batch·height·width]`, and the sizes."""
    if isinstance(step, nn.Linear):
        return hidden[..., 0, 0], (hidden.shape[2], 1, 1)
    if step.padding[0]:
        hidden = F.pad(hidden, (step.padding[0],) * 4)
    patches = _Im2Col.apply(hidden, step.kernel_size[0], step.stride[0])
    return patches.flatten(1, 3).flatten(2), (hidden.shape[2], *patches.shape[-2:])


class _Im2Col(torch.autograd.Function):
    """`[models, inputs, batch, H, W]` → `[models, inputs, k, k, batch, (H-k)/stride+1, (W-k)/stride+1]`, contiguous."""

    @staticmethod
    def forward(ctx, hidden: Tensor, kernel: int, stride: int) -> Tensor:
        ctx.kernel, ctx.stride, ctx.shape = kernel, stride, hidden.shape
        windows = hidden.unfold(3, kernel, stride).unfold(4, kernel, stride)
        return windows.permute(0, 1, 5, 6, 2, 3, 4).contiguous()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        height, width = (ctx.stride * (edge - 1) + 1 for edge in gradient.shape[-2:])
        result = gradient.new_zeros(ctx.shape)
        for row in range(ctx.kernel):
            for column in range(ctx.kernel):
                windows = result[..., row : row + height : ctx.stride, column : column + width : ctx.stride]
                windows += gradient[:, :, row, column]
        return result, None, None


def _output_variance(
    name: str, step: nn.Module, tensors: Mapping[str, Tensor], patches: Tensor, clamp: float
) -> Tensor:
    """Return the variance of outputs under the weights' noise, Σ x²·α·w²; biases with a log σ² are noisy too."""
    weight, is_conv = tensors[f"{name}.weight"], isinstance(step, nn.Conv2d)
    alpha = log_alpha(weight, tensors[f"{name}.log_sigma2"], is_conv=is_conv, linear_clamp=clamp).exp()
    variance = (alpha * weight.square()).flatten(2) @ patches.square()
    if f"{name}.bias_log_sigma2" in tensors:
        bias = tensors[f"{name}.bias"]
        alpha = log_alpha(bias, tensors[f"{name}.bias_log_sigma2"], is_conv=True).exp()
        variance = variance + (alpha * bias.square())[..., None]
    return variance


@torch.inference_mode()
def noisy_predictions(population: Population, data: ImageSet) -> Tensor:
    """Return predicted classes `[models, samples]` under one draw of the noise, nothing pruned, without dropout.

    Ties between classes go to the lower one.

    Args:
        population: of `GaussianNoise`; its keys choose the noise, a draw of its own for each image.
        data: the images, in the order in which they are counted.
    """
    architecture, clamp = population.architecture, population.weights.linear_clamp
    predictions = torch.zeros(len(population), len(data), dtype=class_dtype(architecture.classes))
    for models in torch.arange(len(population)).split(_MODELS_AT_ONCE) if len(population) else ():
        tensors = {name: tensor[models] for name, tensor in population.tensors.items()}
        runs, keys = activation_runs(population, models), population.keys[models]
        for first in range(0, len(data), _SAMPLES_AT_ONCE):
            images = data.images[None, first : first + _SAMPLES_AT_ONCE]
            batch, dtype = images.shape[1], images.dtype
            draws = draw(architecture, keys, _NO_EPOCH, first, batch, dtype, noise=True, linear_clamp=clamp)
            logits, _ = forward(architecture, runs, tensors, images, draws, training=False)
            predictions[models, first : first + _SAMPLES_AT_ONCE] = logits.argmax(1).to(predictions.dtype)
    return predictions


def layer_features(engine: Engine, population: Population, data: ImageSet, layer: str) -> Tensor:
    """Return a layer's activations as the next layer takes them, flat: float32 `[models, samples, numbers]`.

    In evaluation: without dropout, of `population.deterministic()`. Those that the head takes come from the engine, at
    the price of its evaluation; those further below from this module's operations, on the CPU.
    """
    architecture = population.architecture
    taker = architecture.layer_after(layer)
    if taker == architecture.head:
        return engine.evaluate(population, data, ("features",)).features
    return _inputs_of(population.deterministic(), data.images, taker.name)


@torch.inference_mode()
def _inputs_of(population: Population, images: Tensor, layer: str) -> Tensor:
    at_once = max(1, _NUMBERS_AT_ONCE // max(each.sites for each in population.architecture.layers))
    parts = []
    for model in range(len(population)):
        chosen = torch.tensor([model])
        tensors = {name: tensor[chosen] for name, tensor in population.tensors.items()}
        runs = activation_runs(population, chosen)
        inputs = [
            forward(population.architecture, runs, tensors, part[None], taken_by=(layer,))[1][layer]
            for part in images.split(at_once)
        ]
        parts.append(torch.cat(inputs, dim=1).flatten(2))
    return torch.cat(parts)
