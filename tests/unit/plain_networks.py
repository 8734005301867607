"""`cnn_s` and `cnn_l` written out by hand, in the authors' layout: what registry, tracing and engines are held against.

Nothing here is shared with the package.
"""

from dataclasses import dataclass

from torch import Tensor, nn

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid, "gelu": nn.GELU}


@dataclass(frozen=True)
class PlainLayer:
    """One weight layer and what follows it: max-pool 2, activation and dropout, in this order."""

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
        return (self.outputs, self.inputs) + (self.kernel, self.kernel) * self.is_conv

    @property
    def weights(self) -> int:
        return self.outputs * self.inputs * self.kernel**2

    @property
    def pooled_size(self) -> int:
        return self.size // 2 if self.pool else self.size


def plain_layers(architecture) -> tuple[PlainLayer, ...]:
    """The layers of `cnn_s` or `cnn_l` for the images and classes of an architecture."""
    channels, classes = architecture.channels, architecture.classes
    if architecture.design.id == "cnn_s":
        return (
            PlainLayer("conv1", channels, 8, 5, 24, pool=True, dropout=True),
            PlainLayer("conv2", 8, 6, 5, 8, pool=True, dropout=True),
            PlainLayer("conv3", 6, 4, 2, 3),
            PlainLayer("fc1", 36, 20, 1, 1, dropout=True),
            PlainLayer("fc2", 20, classes, 1, 1, activation=False),
        )
    assert architecture.design.id == "cnn_l"
    return (
        PlainLayer("conv1", channels, 16, 3, 30, pool=True, dropout=True),
        PlainLayer("conv2", 16, 32, 3, 13, pool=True, dropout=True),
        PlainLayer("conv3", 32, 15, 3, 4, pool=True, dropout=True),
        PlainLayer("fc1", 60, 20, 1, 1, dropout=True),
        PlainLayer("fc2", 20, classes, 1, 1, activation=False),
    )


def module_indices(architecture, dropout: bool) -> dict[str, int]:
    """Position of each layer in the authors' `module_list`; cnn_s has dropout modules only if p > 0."""
    indices: dict[str, int] = {}
    position = 0
    for layer in plain_layers(architecture):
        if layer.name == "fc1":
            position += 1  # flatten
        indices[layer.name] = position
        has_dropout = layer.dropout and (dropout or architecture.design.id == "cnn_l")
        position += 1 + layer.pool + layer.activation + has_dropout
    return indices


class Network(nn.Module):
    """One model as the authors' code builds it."""

    def __init__(self, architecture, activation: str, dropout: float = 0.0):
        super().__init__()
        modules: list[nn.Module] = []
        for layer in plain_layers(architecture):
            if layer.name == "fc1":
                modules.append(nn.Flatten())
            if layer.is_conv:
                modules.append(nn.Conv2d(layer.inputs, layer.outputs, layer.kernel))
            else:
                modules.append(nn.Linear(layer.inputs, layer.outputs))
            if layer.pool:
                modules.append(nn.MaxPool2d(2))
            if layer.activation:
                modules.append(ACTIVATIONS[activation]())
            if layer.dropout and (dropout > 0 or architecture.design.id == "cnn_l"):
                modules.append(nn.Dropout(dropout))
        self.module_list = nn.ModuleList(modules)

    def forward(self, images: Tensor) -> Tensor:
        for module in self.module_list:
            images = module(images)
        return images


def dropout_offsets(architecture) -> list[int]:
    """Where each layer's dropout numbers start, and their total: rounded up to four, 0 of layers without dropout."""
    offsets = [0]
    for layer in plain_layers(architecture):
        size = layer.outputs * layer.pooled_size**2 * layer.dropout
        offsets.append(offsets[-1] + (size + 3) // 4 * 4)
    return offsets
