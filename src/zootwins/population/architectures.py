"""The two networks of the model zoos, `cnn_s` and `cnn_l`, as layers, shapes and state-dict keys.

Layers and sizes follow the authors' published code (ModelZoos/ModelZooDataset); `Network` is the plain
PyTorch model in their key layout (`module_list.{i}.weight`) and the reference for every engine.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zootwins.run.errors import InputError

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "gelu": F.gelu,
}
LAYER_NAMES = ("conv1", "conv2", "conv3", "fc1", "fc2")
CLASSES = 10


@dataclass(frozen=True)
class Layer:
    """One weight layer and what follows it: max-pool 2, activation and dropout, in this order.

    `size` is the edge of the layer's square output before pooling, in pixels (1 for `fc` layers).
    """

    name: str
    inputs: int
    outputs: int
    kernel: int
    size: int
    pool: bool = False
    activation: bool = True
    dropout: bool = False

    @property
    def is_conv(self) -> bool:
        return self.name.startswith("conv")

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """`[outputs, inputs, kernel, kernel]` of a convolution, `[outputs, inputs]` of a linear layer."""
        return (self.outputs, self.inputs) + (self.kernel, self.kernel) * self.is_conv

    @property
    def weights(self) -> int:
        """Number of weights, biases not counted."""
        return prod(self.weight_shape)

    @property
    def pooled_size(self) -> int:
        """Edge of the output after pooling; a last odd row and column is dropped, as `MaxPool2d(2)` does."""
        return self.size // 2 if self.pool else self.size

    @property
    def activations(self) -> int:
        """Numbers that it passes on for one image."""
        return self.outputs * self.pooled_size**2

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one forward pass of one image, biases not counted."""
        return self.weights * self.size**2


@dataclass(frozen=True)
class Architecture:
    """Layers of a network whose input is `[channels, image_size, image_size]`."""

    name: str
    channels: int
    image_size: int
    layers: tuple[Layer, ...]
    dropout_modules_always: bool = False

    @cached_property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every parameter of one model, `{layer}.weight` and `{layer}.bias`, in layer order."""
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in self.layers:
            shapes[f"{layer.name}.weight"] = layer.weight_shape
            shapes[f"{layer.name}.bias"] = (layer.outputs,)
        return shapes

    @property
    def weight_names(self) -> tuple[str, ...]:
        return tuple(f"{layer.name}.weight" for layer in self.layers)

    @property
    def weights(self) -> int:
        """Number of prunable weights: the paper's column W."""
        return sum(layer.weights for layer in self.layers)

    @cached_property
    def weight_shares(self) -> Tensor:
        """Each layer's share of the prunable weights, float64 `[layers]`."""
        return torch.tensor([layer.weights / self.weights for layer in self.layers], dtype=torch.float64)

    @cached_property
    def noise_offsets(self) -> tuple[int, ...]:
        """Where each layer's noise starts among a sample's random numbers, and their total (last entry).

        A layer takes one number an output before pooling, numbered `[row, column, output]`, output fastest;
        every layer starts at a multiple of four, the numbers one call of the generator returns.
        """
        return _offsets(layer.outputs * layer.size**2 for layer in self.layers)

    @cached_property
    def dropout_offsets(self) -> tuple[int, ...]:
        """The same for dropout, which takes one number an output after pooling, in layers that have dropout."""
        return _offsets(layer.outputs * layer.pooled_size**2 * layer.dropout for layer in self.layers)

    @cached_property
    def gate_offsets(self) -> tuple[int, ...]:
        """The same for gates, which take one number a weight and batch, numbered as the weights lie in memory."""
        return _offsets(layer.weights for layer in self.layers)

    def module_indices(self, dropout: bool) -> dict[str, int]:
        """Position of each layer in the authors' `module_list`; cnn_s has dropout modules only if p > 0."""
        indices: dict[str, int] = {}
        position = 0
        for layer in self.layers:
            if layer.name == "fc1":
                position += 1  # flatten
            indices[layer.name] = position
            has_dropout = layer.dropout and (dropout or self.dropout_modules_always)
            position += 1 + layer.pool + layer.activation + has_dropout
        return indices


def _offsets(sizes) -> tuple[int, ...]:
    return (0, *accumulate((size + 3) // 4 * 4 for size in sizes))


def _cnn_s(channels: int) -> tuple[Layer, ...]:
    return (
        Layer("conv1", channels, 8, 5, 24, pool=True, dropout=True),
        Layer("conv2", 8, 6, 5, 8, pool=True, dropout=True),
        Layer("conv3", 6, 4, 2, 3),
        Layer("fc1", 36, 20, 1, 1, dropout=True),
        Layer("fc2", 20, CLASSES, 1, 1, activation=False),
    )


def _cnn_l(channels: int) -> tuple[Layer, ...]:
    return (
        Layer("conv1", channels, 16, 3, 30, pool=True, dropout=True),
        Layer("conv2", 16, 32, 3, 13, pool=True, dropout=True),
        Layer("conv3", 32, 15, 3, 4, pool=True, dropout=True),
        Layer("fc1", 60, 20, 1, 1, dropout=True),
        Layer("fc2", 20, CLASSES, 1, 1, activation=False),
    )


def get_architecture(name: str, channels: int) -> Architecture:
    """The architecture `cnn_s` (28×28 images) or `cnn_l` (32×32 images) for 1 or 3 image channels.

    Raises:
        InputError: if there is no such architecture.
    """
    if name == "cnn_s":
        return Architecture(name, channels, 28, _cnn_s(channels))
    if name == "cnn_l":
        return Architecture(name, channels, 32, _cnn_l(channels), dropout_modules_always=True)
    raise InputError(f"architecture: unknown value {name!r}; choose cnn_s or cnn_l")


def fitting_architecture(where: str, name: str, images: Tensor) -> Architecture:
    """The architecture of a name for images `[samples, channels, height, width]`.

    Args:
        where: whose images they are, for messages.

    Raises:
        InputError: if it takes images of another size.
    """
    architecture = get_architecture(name, images.shape[1])
    if tuple(images.shape[2:]) != (architecture.image_size, architecture.image_size):
        raise InputError(
            f"{where}: {name} takes images of {architecture.image_size} pixels, the data has "
            f"{list(images.shape[2:])}; correct dataset or architecture in the catalogue"
        )
    return architecture


class Network(nn.Module):
    """One model in the authors' layout: the reference that engines are held against, and the exported form."""

    def __init__(self, architecture: Architecture, activation: str, dropout: float = 0.0):
        super().__init__()
        modules: list[nn.Module] = []
        activations = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid, "gelu": nn.GELU}
        for layer in architecture.layers:
            if layer.name == "fc1":
                modules.append(nn.Flatten())
            if layer.is_conv:
                modules.append(nn.Conv2d(layer.inputs, layer.outputs, layer.kernel))
            else:
                modules.append(nn.Linear(layer.inputs, layer.outputs))
            if layer.pool:
                modules.append(nn.MaxPool2d(2))
            if layer.activation:
                modules.append(activations[activation]())
            if layer.dropout and (dropout > 0 or architecture.dropout_modules_always):
                modules.append(nn.Dropout(dropout))
        self.module_list = nn.ModuleList(modules)

    def forward(self, images: Tensor) -> Tensor:
        """Logits `[samples, classes]` of images `[samples, channels, image_size, image_size]`."""
        for module in self.module_list:
            images = module(images)
        return images


def to_state_dict(parameters: dict[str, Tensor], architecture: Architecture, dropout: float) -> dict[str, Tensor]:
    """Rename `{layer}.weight` and `{layer}.bias` of one model to the authors' `module_list.{i}.…` keys."""
    indices = architecture.module_indices(dropout > 0)
    return {
        f"module_list.{indices[layer]}.{kind}": parameters[f"{layer}.{kind}"]
        for layer, kind in (name.split(".") for name in architecture.parameter_shapes)
    }
