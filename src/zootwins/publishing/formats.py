"""Networks in the input formats of metanetworks, from the parameters of chains of layers.

- NFN (Zhou et al. 2023, AllanYangZhou/nfn): lists of weights and biases with batch and channel axes.
- Neural graphs (Kofinas et al. 2024, mkofinas/neural-graphs): neurons as nodes, weights as edges.
- SANE (Schürholt et al. 2024, HSG-AIML/SANE): one token per output channel, zero-padded, with masks and positions.

A network is a mapping of `{layer}.weight` and `{layer}.bias` in forward order, each weight `[outputs, inputs]` or
`[outputs, inputs, height, width]`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import isqrt, prod

import torch
from torch import Tensor
from torch.nn import functional as F

from zootwins.run.errors import InputError


def _layers(parameters: Mapping[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Return weight and bias of each layer of a chain, checked to follow one another.

    Raises:
        InputError: if the network is no chain of convolutions and linear layers with biases.
    """
    weights = [name for name in parameters if name.endswith(".weight")]
    layers = []
    for name in weights:
        bias = parameters.get(name.removesuffix("weight") + "bias")
        if bias is None or parameters[name].ndim not in (2, 4):
            raise InputError(f"{name}: this format needs convolutions and linear layers that have biases")
        layers.append((parameters[name], bias))
    for (before, _), (after, _), name in zip(layers, layers[1:], weights[1:], strict=False):
        if after.shape[1] % len(before) or (after.ndim == 4 and after.shape[1] != len(before)):
            raise InputError(
                f"{name}: takes {after.shape[1]} inputs after a layer of {len(before)} outputs; this format holds "
                "chains of layers alone"
            )
    return layers


def nfn_features(parameters: Mapping[str, Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Return a network as NFN's layers take it: weights and biases, layer by layer.

    Weights are `[1, 1, outputs, inputs]` or `[1, 1, outputs, inputs, height, width]`, biases `[1, 1, outputs]`. A
    linear layer after flattening has more inputs than the layer before has outputs, which NFN does not allow; it
    becomes the convolution over the flattened map that it is: `[outputs, channels, height, width]`.

    Raises:
        InputError: if the network is no chain, or a flattened map is not square.
    """
    layers = _layers(parameters)
    weights = [layers[0][0]]
    for (before, _), (weight, _) in pairwise(layers):
        repeats = weight.shape[1] // len(before)
        if weight.ndim == 2 and repeats > 1:
            weight = weight.unflatten(1, (len(before), *_square(repeats)))
        weights.append(weight)
    return [weight[None, None] for weight in weights], [bias[None, None] for _, bias in layers]


def _square(size: int) -> tuple[int, int]:
    edge = isqrt(size)
    if edge * edge != size:
        raise InputError(f"a map of {size} positions is flattened, which is not square; this format cannot hold it")
    return edge, edge


@dataclass(frozen=True)
class NeuralGraph:
    """A network as a directed graph.

    Attributes:
        nodes: biases, `[nodes, 1]`; 0 for the inputs.
        edges: `[nodes, nodes, positions]`, kernels centred in the largest one and flattened, linear weights at 0.
        adjacency: bool `[nodes, nodes]`, from the earlier to the later neuron.
        layout: number of nodes of each layer, the inputs first.
    """

    nodes: Tensor
    edges: Tensor
    adjacency: Tensor
    layout: list[int]


def neural_graph(parameters: Mapping[str, Tensor]) -> NeuralGraph:
    """Return a network as a neural graph; neurons before flattening stand once for each position of their map.

    Raises:
        InputError: if the network is no chain.
    """
    layers = _layers(parameters)
    kernel = [max((weight.shape[axis] for weight, _ in layers if weight.ndim == 4), default=1) for axis in (2, 3)]
    weights, biases = [], []
    for number, (weight, bias) in enumerate(layers):
        following = layers[number + 1][0].shape[1] if number + 1 < len(layers) else len(bias)
        repeats = following // len(bias)  # a flattened map lists a channel's positions one after another
        features = _edge_features(weight, kernel)
        weights.append(features.repeat_interleave(repeats, dim=1))
        biases.append(bias.repeat_interleave(repeats))
    layout = [weights[0].shape[0], *(len(bias) for bias in biases)]
    total = sum(layout)
    edges = weights[0].new_zeros(total, total, weights[0].shape[2])
    adjacency = torch.zeros(total, total, dtype=torch.bool)
    row, column = 0, layout[0]
    for features in weights:
        inputs, outputs = features.shape[:2]
        place = (slice(row, row + inputs), slice(column, column + outputs))
        edges[place], adjacency[place] = features, True
        row, column = row + inputs, column + outputs
    nodes = torch.cat([biases[0].new_zeros(layout[0]), *biases])[:, None]
    return NeuralGraph(nodes, edges, adjacency, layout)


def _edge_features(weight: Tensor, kernel: list[int]) -> Tensor:
    """Return `[inputs, outputs, positions]`."""
    if weight.ndim == 2:
        return F.pad(weight.T[..., None], (0, prod(kernel) - 1))
    missing = [largest - own for largest, own in zip(kernel, weight.shape[2:], strict=True)]
    padding = [part for axis in (1, 0) for part in (missing[axis] // 2, missing[axis] - missing[axis] // 2)]
    return F.pad(weight.transpose(0, 1), padding).flatten(2)


def sane_tokens(parameters: Mapping[str, Tensor], size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return tokens `[tokens, size]`, their mask (True where there is a parameter) and positions `[tokens, 3]`.

    An output channel's weights and bias follow one another and are cut into tokens of `size`, the last one padded with
    zeros. Positions are: place in the sequence, layer, output channel; int32 where int16 does not hold them.

    Args:
        size: numbers of a token, ≥ 1.
    """
    if size < 1:
        raise InputError(f"size: {size} is no length of a token; choose a number ≥ 1")
    tokens, masks, places = [], [], []
    for layer, name in enumerate(name for name in parameters if name.endswith(".weight")):
        rows = parameters[name].flatten(1)
        bias = parameters.get(name.removesuffix("weight") + "bias")
        if bias is not None:
            rows = torch.cat([rows, bias[:, None]], dim=1)
        per_channel = -(-rows.shape[1] // size)
        padding = (0, per_channel * size - rows.shape[1])
        tokens.append(F.pad(rows, padding).view(-1, size))
        masks.append(F.pad(torch.ones_like(rows, dtype=torch.bool), padding).view(-1, size))
        places += [(layer, channel) for channel in range(len(rows)) for _ in range(per_channel)]
    positions = torch.tensor([(number, *place) for number, place in enumerate(places)])
    kind = torch.int16 if positions.max() <= torch.iinfo(torch.int16).max else torch.int32
    return torch.cat(tokens), torch.cat(masks), positions.to(kind)
