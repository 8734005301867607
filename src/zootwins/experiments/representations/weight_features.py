"""Features of a weight before sparsification: its magnitude, its place, its neuron and its input."""

import torch
from torch import Tensor

from zootwins.experiments.representations.tokens import Tokens

FEATURES = (
    "weight",
    "log magnitude",
    "magnitude's rank in the layer",
    "magnitude's rank among its neuron's weights",
    "layer",
    "row in the kernel",
    "column in the kernel",
    "mean of the kernel",
    "mean of the neuron's incoming weights",
    "log norm of the kernel",
    "log norm of the neuron's incoming weights",
    "log norm of its outgoing weights",
    "its bias",
    "log norm of the input's incoming weights",
    "log norm of the input's outgoing weights",
    "the input's bias",
    "log norm of the layer's weights",
)
IMAGE_FEATURES = ("log Fisher information", "log of w² times it")
_LEAST = 1e-6  # magnitude, so that its logarithm is defined


def weight_features(vectors: Tensor, tokens: Tokens, fisher: Tensor | None = None) -> Tensor:
    """Compute `FEATURES` of every weight of dense networks `[models, parameters]`: `[models, weights, features]`.

    Given the networks' Fisher information, `IMAGE_FEATURES` follow.

    Weights come as in the vectors, biases left out. Norms are root mean squares; ranks are shares, 0 the smallest. What
    a weight does not have (the last layer's outgoing weights, the neuron behind a pixel) is 0.
    """
    layers = tokens.split(vectors)
    architecture = tokens.architecture
    counts = [architecture.channels, *(layer.outputs for layer in architecture.layers)]
    # [models, outputs, inputs, positions in the kernel; of fc1: on the map that conv3 leaves]
    weights = [part[..., :-1].unflatten(-1, (count, -1)) for part, count in zip(layers, counts[:-1], strict=True)]
    incoming = [_log_norm(part, (2, 3)) for part in weights]
    outgoing = [_log_norm(part, (1, 3)) for part in weights[1:]] + [torch.zeros_like(incoming[-1])]
    biases = [part[..., -1] for part in layers]
    nothing = vectors.new_zeros(len(vectors), counts[0])
    parts = []
    for number, part in enumerate(weights):
        magnitude = part.abs()
        edge = round(part.shape[3] ** 0.5)
        position = torch.arange(edge * edge)
        before = (incoming[number - 1], outgoing[number - 1], biases[number - 1]) if number else (nothing,) * 3
        of_neuron = (incoming[number], outgoing[number], biases[number])
        columns = [
            part,
            (magnitude + _LEAST).log(),
            _ranks(magnitude.flatten(1)).view_as(part),
            _ranks(magnitude.flatten(2)).view_as(part),
            torch.tensor(float(number)),
            (position // edge).to(vectors.dtype),
            (position % edge).to(vectors.dtype),
            part.mean(3, keepdim=True),
            part.mean((2, 3), keepdim=True),
            _log_norm(part, (3,))[..., None],
            *(values[:, :, None, None] for values in of_neuron),
            *(values[:, None, :, None] for values in before),
            _log_norm(part, (1, 2, 3))[:, None, None, None],
        ]
        parts.append(torch.stack([column.expand(part.shape) for column in columns], dim=-1).flatten(1, 3))
    features = torch.cat(parts, dim=1)
    return features if fisher is None else torch.cat((features, _of_images(vectors, fisher)[:, tokens.prunable]), 2)


def saliency(vectors: Tensor, fisher: Tensor) -> Tensor:
    """Log w²F of every parameter, `[models, parameters]`."""
    return 2 * (vectors.abs() + _LEAST).log() + (fisher + _LEAST**2).log()


def _of_images(vectors: Tensor, fisher: Tensor) -> Tensor:
    return torch.stack(((fisher + _LEAST**2).log(), saliency(vectors, fisher)), dim=-1)


def _log_norm(weights: Tensor, dimensions: tuple[int, ...]) -> Tensor:
    return (weights.square().mean(dimensions).sqrt() + _LEAST).log()


def _ranks(values: Tensor) -> Tensor:
    """Return the share of the others that are smaller, along the last dimension; ties in their order."""
    return values.argsort(dim=-1, stable=True).argsort(dim=-1).to(values.dtype) / max(1, values.shape[-1] - 1)
