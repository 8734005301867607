"""Predictors of log α from a dense model: what variational dropout would say of each of its weights.

Each learns from trained models and their twins, and returns a function of dense networks `[models, parameters]` that
gives log α of the same shape; where a parameter is no weight, what stands there is 0.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from sklearn.ensemble import HistGradientBoostingRegressor
from torch import Tensor

from zootwins.experiments.representations.states import VdStates
from zootwins.experiments.representations.tokens import Tokens
from zootwins.experiments.representations.weight_features import FEATURES, weight_features

Predictor = Callable[[Tensor], Tensor]
TREES, LEAVES = 100, 63


@dataclass(frozen=True)
class Pairs:
    """Dense models and what variational dropout made of them, `[models, parameters]` each.

    Attributes:
        dense: weights before.
        alphas: log α after the last epoch.
        trained: weights after the last epoch.
    """

    tokens: Tokens
    models: list[str]
    dense: Tensor
    alphas: Tensor
    trained: Tensor

    @classmethod
    def of(cls, states: VdStates) -> "Pairs":
        start, end = states.ends()
        return cls(states.tokens, start.models, start.weights, end.alphas, end.weights)


def population_prior(train: Pairs) -> Predictor:
    """How much the zoo prunes in each layer, and then magnitude.

    The weight with the n-th smallest magnitude in a layer is given the n-th largest log α there, in the mean over the
    training models: pruned by a threshold or to a sparsity, layers are as sparse as the zoo's are in the mean.
    """
    tokens = train.tokens
    layers = [(tokens.layer_of == number) & tokens.prunable for number in range(len(tokens.sizes))]
    curves = [train.alphas[:, layer].sort(dim=1, descending=True).values.mean(0) for layer in layers]

    def predict(dense: Tensor) -> Tensor:
        found = torch.zeros_like(dense)
        for layer, curve in zip(layers, curves, strict=True):
            found[:, layer] = curve[dense[:, layer].abs().argsort(dim=1, stable=True).argsort(dim=1)]
        return found

    return predict


def boosting(train: Pairs) -> Predictor:
    """Gradient-boosted trees on each weight's `FEATURES`, all weights of all layers in one model."""
    tokens = train.tokens
    features = weight_features(train.dense, tokens).flatten(0, 1).numpy()
    trees = HistGradientBoostingRegressor(
        max_iter=TREES,
        max_leaf_nodes=LEAVES,
        categorical_features=[FEATURES.index("layer")],
        early_stopping=False,
        random_state=0,
    ).fit(features, train.alphas[:, tokens.prunable].flatten().numpy())

    def predict(dense: Tensor) -> Tensor:
        found = torch.zeros_like(dense)
        predicted = torch.from_numpy(trees.predict(weight_features(dense, tokens).flatten(0, 1).numpy()))
        found[:, tokens.prunable] = predicted.view(len(dense), -1).to(dense.dtype)
        return found

    return predict
