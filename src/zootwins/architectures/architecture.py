"""An architecture as engines and tables see it: its layers, in the order in which images pass them.

Everything follows from one pass of an image through the plain PyTorch network on the meta device, which computes shapes
and no numbers. Layers are known by the names of their modules; the first layer and the last, the head, by their places.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from itertools import accumulate
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from zootwins.architectures.activations import ACTIVATIONS, activation_module
from zootwins.architectures.registry import Design, Spec, canonical, get_design
from zootwins.architectures.steps import OwnActivation, as_step
from zootwins.architectures.tracing import Dropout, Layer, trace
from zootwins.run.errors import InputError
from zootwins.storage.files import remedy

CLASSES = 10  # by default
_TRACED_DROPOUT = 0.5  # so that networks that leave out dropout modules at 0 have theirs


@dataclass(frozen=True)
class Architecture:
    """A network for images `[channels, image_size, image_size]` of so many classes.

    Attributes:
        design: the module that makes it, with its settings.
        spec: what `get_architecture` makes it of.
        layers: in the order in which an image passes them.
        dropouts: likewise.
        parameter_shapes: shape of every parameter of one model, `{layer}.weight`, `{layer}.bias` and those of
            normalisation, in the modules' order.
        buffer_shapes: shape of every buffer, such as the running means of batch normalisation.
        template: the network on the meta device, with `OwnActivation` as its activation.
        takers: by each layer's name, that of the first layer whose input depends on what it gives.
    """

    design: Design
    spec: str
    channels: int
    classes: int
    image_size: int
    layers: tuple[Layer, ...]
    dropouts: tuple[Dropout, ...]
    parameter_shapes: Mapping[str, tuple[int, ...]]
    buffer_shapes: Mapping[str, tuple[int, ...]]
    template: nn.Module
    takers: Mapping[str, str]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Architecture) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> tuple:
        return (self.spec, self.channels, self.classes, self.image_size)

    @property
    def name(self) -> str:
        """The id for texts, with settings that are not the defaults."""
        return self.design.label

    @property
    def images(self) -> dict[str, int]:
        """What `get_architecture` takes beside the spec to make it again: channels, classes and image_size."""
        return {"channels": self.channels, "classes": self.classes, "image_size": self.image_size}

    @property
    def first(self) -> Layer:
        """The layer that takes the image."""
        return self.layers[0]

    @property
    def head(self) -> Layer:
        """The layer that gives the logits."""
        return self.layers[-1]

    def layer_after(self, name: str) -> Layer:
        """Return the first layer whose input depends on what a layer gives, which a shortcut's layer does not."""
        return next(layer for layer in self.layers if layer.name == self.takers[name])

    @property
    def tensor_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of parameters and buffers: of all that a model's state dict holds."""
        return {**self.parameter_shapes, **self.buffer_shapes}

    def new_buffers(self, models: int) -> dict[str, Tensor]:
        """Return the buffers of so many new networks, `[models, …]`."""
        return {name: buffer.expand(models, *buffer.shape).clone() for name, buffer in self._new_buffers.items()}

    @cached_property
    def _new_buffers(self) -> dict[str, Tensor]:
        if not self.buffer_shapes:
            return {}
        with torch.random.fork_rng(devices=()):  # its weights are drawn, and thrown away
            return dict(self.module(next(iter(ACTIVATIONS))).named_buffers())

    @cached_property
    def weight_names(self) -> tuple[str, ...]:
        """Names of the parameters that sparsifiers prune: the weights of the layers, in their order."""
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

        A layer takes one number for each output, numbered `[row, column, output]`, output fastest; every layer starts
        at a multiple of four, the numbers that one call of the generator returns.
        """
        return _offsets(layer.sites for layer in self.layers)

    @cached_property
    def dropout_offsets(self) -> tuple[int, ...]:
        """The same for dropout modules, which take one number for each of their inputs."""
        return _offsets(prod(dropout.shape) for dropout in self.dropouts)

    @cached_property
    def gate_offsets(self) -> tuple[int, ...]:
        """The same for gates, which take one number per weight and batch, numbered as the weights lie in memory."""
        return _offsets(layer.weights for layer in self.layers)

    @cached_property
    def chain(self) -> tuple[tuple[str, nn.Module], ...]:
        """The named modules that images pass one after the other; empty if one of them is no step of `chains`.

        Batched operations and kernels know what steps compute, and of no other module.
        """
        if type(self.template) is not nn.Sequential or any(
            len(one.input_shape) > 1 for one in self.layers[1:] if not one.is_conv
        ):
            return ()
        steps = [(name, module) for name, module in self.template.named_modules(remove_duplicate=False) if name]
        return tuple(steps) if all(as_step(module) for _, module in steps) else ()

    @cached_property
    def steps(self) -> tuple[tuple[str, Any], ...]:
        """The chain's modules as steps of `chains`, or `flatten`, with their names."""
        return tuple((name, as_step(module)) for name, module in self.chain)

    @cached_property
    def layouts(self) -> dict[str, dict[str, str]]:
        """Names of the parameters and buffers in state dicts on disk by our own, for each known layout by its name.

        The first is the one that is written, but for models with dropout where there is a layout called `dropout`.
        """
        names = (*self.parameter_shapes, *self.buffer_shapes)
        return {
            known: {name: _renamed(name, layout) for name in names} for known, layout in self.design.layouts.items()
        }

    def with_classes(self, classes: int) -> "Architecture":
        """Return the same network with a head for another number of classes."""
        return get_architecture(json.loads(self.spec), **{**self.images, "classes": classes})

    def module(self, activation: str, dropout: float = 0.0) -> nn.Module:
        """Build the plain PyTorch network of one model, with random weights of torch's global generator."""
        return self._built(partial(activation_module, activation), dropout)

    def _built(self, activation: Callable[[], nn.Module], dropout: float) -> nn.Module:
        return _module(self.design, self.channels, self.classes, self.image_size, activation, dropout)


def _offsets(sizes) -> tuple[int, ...]:
    return (0, *accumulate((size + 3) // 4 * 4 for size in sizes))


def _renamed(name: str, layout: Mapping[str, str]) -> str:
    prefix = max((ours for ours in layout if name.startswith(f"{ours}.")), key=len, default=None)
    return name if prefix is None else layout[prefix] + name.removeprefix(prefix)


def _module(
    design: Design,
    channels: int,
    classes: int,
    image_size: int,
    activation: Callable[[], nn.Module],
    dropout: float,
) -> nn.Module:
    return design.source.module(channels, classes, image_size, activation, dropout, **design.settings)


def get_architecture(
    spec: Spec, channels: int = 1, classes: int = CLASSES, image_size: int | None = None
) -> Architecture:
    """Return the architecture of a catalogue's entry for images of some size and so many classes.

    Args:
        spec: an id of the registry, an id with settings, or a chain of layers; see `registry.get_design`.
        channels: of the images.
        classes: of the data, at least 2.
        image_size: their edge in pixels; that of the architecture's own images, or 28, if None.

    Raises:
        InputError: if there is no such architecture, or it does not take such images.
    """
    try:
        return _traced(canonical(spec), channels, classes, image_size)
    except ValueError as error:
        raise InputError(f"architecture: {error}") from None


@cache
def _traced(spec: str, channels: int, classes: int, image_size: int | None) -> Architecture:
    design = get_design(json.loads(spec))
    sizes = design.image_sizes
    size = image_size or (sizes[0] if sizes else 28)
    if sizes and size not in sizes:
        raise ValueError(
            f"{design.label} takes images of {' or '.join(map(str, sizes))} pixels, not of {size}; correct dataset or "
            "architecture in the catalogue"
        )
    try:
        with torch.device("meta"):
            template = _module(design, channels, classes, size, OwnActivation, _TRACED_DROPOUT).eval()
            layers, dropouts, logits, takers = trace(template, torch.empty(1, channels, size, size))
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{design.label} does not take images [{channels}, {size}, {size}]: {reason}") from None
    if tuple(logits.shape) != (1, classes) or layers[-1].outputs != classes:
        raise ValueError(f"{design.label} gives {list(logits.shape[1:])} for an image, not {classes} logits")
    return Architecture(
        design,
        spec,
        channels,
        classes,
        size,
        tuple(layers),
        tuple(dropouts),
        {name: tuple(parameter.shape) for name, parameter in template.named_parameters()},
        {name: tuple(buffer.shape) for name, buffer in template.named_buffers()},
        template,
        takers,
    )


def stored_architecture(
    where: object, spec: Spec, network: str | None, shapes: Mapping[str, Sequence[int]]
) -> Architecture:
    """Return the architecture of tensors in one of the program's files.

    Args:
        where: the file, for messages.
        spec: what the catalogue says.
        network: `Architecture.images` as JSON, from the file's metadata; files of version 0.2 lack it, and hold cnn_s
            or cnn_l for ten classes.
        shapes: of the tensors, whose last dimensions must be those of one model; others than the architecture's are
            not looked at.

    Raises:
        InputError: if the tensors are not the architecture's.
    """
    for images in [json.loads(network)] if network else [{"channels": 1}, {"channels": 3}]:
        shaped = get_architecture(spec, **images)
        if not (wrong := _misfit(shaped, shapes)):
            return shaped
    raise InputError(f"{where}: its tensors are not those of {shaped.name}: {wrong}; {remedy(where)}")


def _misfit(architecture: Architecture, shapes: Mapping[str, Sequence[int]]) -> str:
    """Return the first tensor of an architecture that is not among others, with both shapes; empty if there is none."""
    for name, shape in architecture.tensor_shapes.items():
        if name not in shapes:
            return f"{name} is missing"
        if tuple(shapes[name][len(shapes[name]) - len(shape) :]) != shape:
            return f"{name} is {list(shapes[name])}, not {list(shape)}"
    return ""


def fitting_architecture(where: str, spec: Spec, images: Tensor, classes: int = CLASSES) -> Architecture:
    """Return the architecture of a catalogue's entry for images `[samples, channels, height, width]`.

    Args:
        where: whose images they are, for messages.
        spec: see `get_architecture`.
        images: of the data set.
        classes: of the data set.

    Raises:
        InputError: if it takes other images, or they are not square.
    """
    channels, height, width = images.shape[1:]
    if height != width:
        raise InputError(f"{where}: images of {height}×{width} pixels; architectures take square ones: crop or resize")
    try:
        return get_architecture(spec, channels, classes, height)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def to_state_dict(tensors: Mapping[str, Tensor], architecture: Architecture, dropout: float) -> dict[str, Tensor]:
    """Return one model's parameters and buffers under the names of the architecture's layout on disk."""
    layouts = architecture.layouts
    layout = layouts["dropout"] if dropout > 0 and "dropout" in layouts else next(iter(layouts.values()))
    return {layout[name]: tensors[name] for name in layout}
