"""Permutation matching of weights: networks with their neurons in the order of a reference.

A network computes the same whatever the order of its hidden neurons, so that two networks can be compared weight by
weight only after one has been permuted towards the other. "Weight matching" of Ainsworth, Hayase and Srinivasa (Git
Re-Basin, ICLR 2023): layer after layer, the order of its neurons that brings their incoming and outgoing weights
closest to the reference's is an assignment problem, solved exactly, until no layer changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from zootwins.experiments.representations.states import VdStates
from zootwins.experiments.representations.tokens import Tokens

ROUNDS = 3  # of averaging aligned networks into the reference
_SWEEPS = 20  # over the layers; five are usually enough
_LEAST_SCALE = 1e-12  # of a layer that does not vary

Layers = list[tuple[np.ndarray, np.ndarray]]  # incoming weights and biases of each


@dataclass(frozen=True)
class Arranged:
    """States with permuted neurons, and the inverse permutation.

    Attributes:
        states: in the new order.
        orders: int64 `[rows, outputs]` for each hidden layer; None if the order is the states' own.
    """

    states: VdStates
    orders: list[Tensor] | None = None

    def restore(self, vectors: Tensor) -> Tensor:
        """Undo the arrangement of vectors `[rows, …, parameters]` that belong to the states."""
        if self.orders is None:
            return vectors
        return permuted(vectors, [order.argsort(dim=1) for order in self.orders], self.states.tokens)


def arrange(states: VdStates, reference: Tensor | None) -> Arranged:
    """Arrange the states' neurons in a reference's order; leave them as they are if it is None.

    A model's states share the order that its first one is given: a twin's neurons stay where its original's are.
    """
    if reference is None:
        return Arranged(states)
    first = states.first_states()
    rows = torch.from_numpy(pd.Index(first.models).get_indexer(states.table["model"]))
    orders = [order[rows] for order in align(first.weights, reference, states.tokens)]
    vectors = permuted(torch.stack((states.weights, states.alphas), dim=1), orders, states.tokens)
    return Arranged(replace(states, weights=vectors[:, 0], alphas=vectors[:, 1]), orders)


def mean_reference(vectors: Tensor, tokens: Tokens) -> Tensor:
    """Return a reference for alignment, `[parameters]`: the mean of aligned networks `[models, parameters]`.

    The first network is the first reference; then the mean of all that were aligned to the last one, `ROUNDS` times.
    """
    reference = vectors[0]
    for _ in range(ROUNDS):
        reference = permuted(vectors, align(vectors, reference, tokens), tokens).mean(0)
    return reference


def permuted(vectors: Tensor, orders: Sequence[Tensor], tokens: Tokens) -> Tensor:
    """Permute the hidden neurons of networks `[models, …, parameters]` into each model's order."""
    return tokens.permute(vectors.reshape(len(vectors), -1, vectors.shape[-1]), orders).view_as(vectors)


def align(vectors: Tensor, reference: Tensor, tokens: Tokens) -> list[Tensor]:
    """Find the orders of hidden neurons (see `Tokens.permute`) that bring networks closest to a reference.

    Closest in the sum over layers of the inner products of weights, each layer in units of the reference's standard
    deviation there. A permuted copy of the reference is put back exactly.

    Args:
        vectors: parameters of networks, `[models, parameters]`.
        reference: those of one, `[parameters]`.

    Returns:
        int64 `[models, outputs]` for each hidden layer.

    Raises:
        InputError: if the networks are no chains.
    """
    tokens.check_chain()
    scale = torch.cat(
        [part.std().clamp_min(_LEAST_SCALE).expand(part.numel()) for part in reference.split(tokens.sizes)]
    )
    target = _layers(reference / scale.square(), tokens)
    found = [_align_one(_layers(vector, tokens), target) for vector in vectors]
    return [torch.from_numpy(np.stack(orders)) for orders in zip(*found, strict=True)]


def _layers(vector: Tensor, tokens: Tokens) -> Layers:
    """Return each layer's incoming weights `[outputs, inputs, …]`, fc1's inputs being channels, and its biases."""
    layers, inputs = [], tokens.architecture.channels
    for part in tokens.split(vector.double()):
        weights = part[:, :-1].unflatten(1, (inputs, -1)).numpy()
        layers.append((weights, part[:, -1].numpy()))
        inputs = len(part)
    return layers


def _align_one(layers: Layers, target: Layers) -> list[np.ndarray]:
    """Order a network's hidden layers: from the input on by incoming weights, then by both until convergence."""
    hidden = len(layers) - 1
    orders = [np.arange(len(weights)) for weights, _ in layers[:-1]]
    for layer in range(hidden):
        orders[layer] = _best_order(_incoming(layers, target, orders, layer))
    for _ in range(_SWEEPS):
        moved = False
        for layer in range(hidden):
            gains = _incoming(layers, target, orders, layer) + _outgoing(layers, target, orders, layer)
            order = _best_order(gains)
            rows = np.arange(len(order))
            if gains[rows, order].sum() > gains[rows, orders[layer]].sum() * (1 + 1e-12):
                orders[layer], moved = order, True
        if not moved:
            break
    return orders


def _best_order(gains: np.ndarray) -> np.ndarray:
    """Assign a network's neuron to each neuron of the reference, the sum of `[reference, own]` largest."""
    return linear_sum_assignment(gains, maximize=True)[1]


def _incoming(layers: Layers, target: Layers, orders: list[np.ndarray], layer: int) -> np.ndarray:
    """Return inner products `[reference, own]` of incoming weights and biases, the layer before in its order."""
    (weights, biases), (wanted, wanted_biases) = layers[layer], target[layer]
    if layer:
        weights = weights[:, orders[layer - 1]]
    return wanted.reshape(len(wanted), -1) @ weights.reshape(len(weights), -1).T + np.outer(wanted_biases, biases)


def _outgoing(layers: Layers, target: Layers, orders: list[np.ndarray], layer: int) -> np.ndarray:
    """Return the same of outgoing weights, the layer after in its order."""
    (weights, _), (wanted, _) = layers[layer + 1], target[layer + 1]
    if layer + 1 < len(orders):
        weights = weights[orders[layer + 1]]
    return np.einsum("oik,ojk->ij", wanted, weights)
