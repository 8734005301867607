"""A network as tokens, one per neuron or kernel: its incoming weights and its bias.

A model's parameters are held as one vector, layer by layer and token by token, so that the tokens of a layer are a
reshaped slice of it, `[outputs, inputs·kernel² + 1]`, and whatever is defined per layer is a vector of that length.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from zootwins.architectures.architecture import Architecture
from zootwins.run.errors import InputError

KINDS = ("weight", "bias")  # of a layer's parameters, in the order in which a token has them


@dataclass(frozen=True)
class Tokens:
    """How the parameters of an architecture are arranged as tokens.

    Raises:
        InputError: if a layer has no bias, or there are parameters outside of layers, which have no place in a token.
    """

    architecture: Architecture

    def __post_init__(self) -> None:
        held = {f"{layer.name}.{kind}" for layer in self.architecture.layers for kind in KINDS}
        if other := held ^ self.architecture.tensor_shapes.keys():
            raise InputError(
                f"representations: tokens hold the weights and biases of layers, and {self.architecture.name} differs "
                f"in {sorted(other)[0]}; leave its zoos out of representations"
            )

    @cached_property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Tokens and their width, of each layer."""
        return tuple((layer.outputs, layer.weights // layer.outputs + 1) for layer in self.architecture.layers)

    @cached_property
    def sizes(self) -> list[int]:
        """Number of parameters of each layer, biases counted."""
        return [count * width for count, width in self.shapes]

    @property
    def count(self) -> int:
        """Number of tokens: 48 for cnn_s, 93 for cnn_l."""
        return sum(count for count, _ in self.shapes)

    @cached_property
    def noisy(self) -> Tensor:
        """Which parameters have a log α, bool `[parameters]`: all but the biases of linear layers."""
        parts = []
        for layer, shape in zip(self.architecture.layers, self.shapes, strict=True):
            part = torch.ones(shape, dtype=torch.bool)
            part[:, -1] = layer.is_conv
            parts.append(part.flatten())
        return torch.cat(parts)

    @cached_property
    def prunable(self) -> Tensor:
        """Which parameters are weights, bool `[parameters]`: all but the biases."""
        flags = [torch.ones(shape, dtype=torch.bool) for shape in self.shapes]
        for flag in flags:
            flag[:, -1] = False
        return torch.cat([flag.flatten() for flag in flags])

    @cached_property
    def layer_of(self) -> Tensor:
        """Each parameter's layer, int64 `[parameters]`."""
        return torch.arange(len(self.sizes)).repeat_interleave(torch.tensor(self.sizes))

    def join(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """Join parameters `{layer}.weight` and `{layer}.bias`, each `[…, *shape]`, to vectors `[…, parameters]`."""
        parts = []
        for layer in self.architecture.layers:
            weight, bias = parameters[f"{layer.name}.weight"], parameters[f"{layer.name}.bias"]
            rows = weight.reshape(*bias.shape, -1)
            parts.append(torch.cat((rows, bias[..., None]), dim=-1).flatten(-2))
        return torch.cat(parts, dim=-1)

    def separate(self, vectors: Tensor) -> dict[str, Tensor]:
        """Invert `join`."""
        parameters = {}
        for layer, tokens in zip(self.architecture.layers, self.split(vectors), strict=True):
            parameters[f"{layer.name}.weight"] = tokens[..., :-1].reshape(*vectors.shape[:-1], *layer.weight_shape)
            parameters[f"{layer.name}.bias"] = tokens[..., -1]
        return parameters

    def split(self, vectors: Tensor) -> list[Tensor]:
        """Split vectors `[…, parameters]` into the tokens of each layer, `[…, outputs, width]`."""
        parts = vectors.split(self.sizes, dim=-1)
        return [part.unflatten(-1, shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def check_chain(self) -> None:
        """Refuse to permute neurons of networks that are no chains.

        Raises:
            InputError: with what to do.
        """
        if not self.architecture.chain:
            raise InputError(
                f"representations: {self.architecture.name} is no chain of layers, and it has no permutation "
                "specification to align its neurons by; leave its zoos out of representations"
            )

    def draw_permutations(self, models: int, generator: torch.Generator) -> list[Tensor]:
        """Draw an order of the neurons of each hidden layer for each model, int64 `[models, outputs]`."""
        self.check_chain()
        *hidden, _ = self.architecture.layers
        return [torch.rand(models, layer.outputs, generator=generator).argsort(dim=1) for layer in hidden]

    def permute(self, vectors: Tensor, permutations: Sequence[Tensor]) -> Tensor:
        """Permute the hidden neurons of networks, which compute what they did before.

        Args:
            vectors: `[models, vectors, parameters]`; the vectors of a model (weights, log α) are permuted alike.
            permutations: as `draw_permutations` returns them.
        """
        layers = []
        inputs: Tensor | None = None
        for tokens, outputs in zip(self.split(vectors), [*permutations, None], strict=True):
            if inputs is not None:
                incoming = tokens[..., :-1].unflatten(-1, (inputs.shape[1], -1))
                incoming = incoming.take_along_dim(inputs[:, None, None, :, None], dim=-2)
                tokens = torch.cat((incoming.flatten(-2), tokens[..., -1:]), dim=-1)
            if outputs is not None:
                tokens = tokens.take_along_dim(outputs[:, None, :, None], dim=-2)
            layers.append(tokens.flatten(-2))
            inputs = outputs
        return torch.cat(layers, dim=-1)


def erase(vectors: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Set a random stretch of each of the vectors `[models, parameters]` to zero, of up to `share` of it."""
    models, parameters = vectors.shape
    length = torch.rand(models, 1, generator=generator) * share * parameters
    start = torch.rand(models, 1, generator=generator) * (parameters - length)
    position = torch.arange(parameters)
    erased = (position >= start) & (position < start + length)
    return vectors.masked_fill(erased.to(vectors.device), 0)
