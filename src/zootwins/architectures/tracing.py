"""The layers and dropout modules of a plain PyTorch network, from one pass of images through it on the meta device."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode


@dataclass(frozen=True)
class Layer:
    """A convolution or linear layer, whose weights are what sparsifiers prune.

    Attributes:
        name: of its module, with dots where modules are nested.
        weight_shape: `[outputs, inputs, height, width]` of a convolution, `[outputs, inputs]` of a linear layer.
        input_shape: of what it takes of one image, `[channels, height, width]` or `[…, features]`.
        output_shape: of what it gives, likewise.
    """

    name: str
    weight_shape: tuple[int, ...]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]

    @property
    def is_conv(self) -> bool:
        return len(self.weight_shape) == 4

    @property
    def outputs(self) -> int:
        return self.weight_shape[0]

    @property
    def inputs(self) -> int:
        return self.weight_shape[1]

    @property
    def weights(self) -> int:
        """Number of weights, biases not counted."""
        return prod(self.weight_shape)

    @property
    def sites(self) -> int:
        """Numbers that it gives for one image."""
        return prod(self.output_shape)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one forward pass of one image, biases not counted."""
        return self.weights * self.sites // self.outputs


@dataclass(frozen=True)
class Dropout:
    """A dropout module: its name, and the shape of what it takes of one image."""

    name: str
    shape: tuple[int, ...]


def trace(network: nn.Module, images: Tensor) -> tuple[list[Layer], list[Dropout], Tensor, dict[str, str]]:
    """Return the layers and dropout modules that an image passes, in order, the output, and `Architecture.takers`.

    Raises:
        ValueError: if a layer is used twice or not at all, or another module than `nn.Dropout` draws random numbers.
    """
    layers: list[Layer] = []
    dropouts: list[Dropout] = []
    given: dict[Any, str] = {}  # layers by what autograd remembers of their outputs
    takers: dict[str, str] = {}

    def passed(name: str, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if name in {known.name for known in (*layers, *dropouts)}:
            raise ValueError(f"{name} is used twice in one pass, which gates, noise and dropout do not provide for")
        if isinstance(module, nn.Dropout):
            dropouts.append(Dropout(name, tuple(output.shape[1:])))
        else:
            shapes = (tuple(inputs[0].shape[1:]), tuple(output.shape[1:]))
            layers.append(Layer(name, tuple(module.weight.shape), *shapes))
            for giver in _made_of(inputs[0], given):
                takers.setdefault(giver, name)
            given[output.grad_fn] = name

    modules = [pair for pair in network.named_modules() if isinstance(pair[1], nn.Conv2d | nn.Linear | nn.Dropout)]
    hooks = [module.register_forward_hook(partial(passed, name)) for name, module in modules]
    with torch.enable_grad():
        logits = network(images)
    for hook in hooks:
        hook.remove()
    _refuse_other_randomness(network, images)
    unused = {name for name, module in modules if not isinstance(module, nn.Dropout)} - {one.name for one in layers}
    if unused or not layers:
        raise ValueError(f"no image passes {', '.join(sorted(unused)) or 'a convolution or linear layer'}")
    return layers, dropouts, logits, takers


class _Seeded(TorchDispatchMode):
    """Refuses operations that draw from torch's global generator."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if torch.Tag.nondeterministic_seeded in operation.tags:
            raise ValueError(
                f"{operation.name()} draws random numbers in training; only nn.Dropout has keyed ones: use it"
            )
        return operation(*args, **(kwargs or {}))


def _refuse_other_randomness(network: nn.Module, images: Tensor) -> None:
    network.train()
    for module in network.modules():
        module.train(not isinstance(module, nn.Dropout))
    with torch.no_grad(), _Seeded():
        network(images.expand(2, *images.shape[1:]))  # batch normalisation needs more than one number of a channel
    network.eval()


def _made_of(tensor: Tensor, given: Mapping[Any, str]) -> set[str]:
    """Return the layers whose outputs a tensor was computed from, however indirectly."""
    found, seen, nodes = set(), set(), [tensor.grad_fn]
    while nodes:
        node = nodes.pop()
        if node is not None and node not in seen:
            seen.add(node)
            found |= {given[node]} if node in given else set()
            nodes += [earlier for earlier, _ in node.next_functions]
    return found
