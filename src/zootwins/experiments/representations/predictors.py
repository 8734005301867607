"""Predictors of the log α that variational dropout would give each weight, from the dense model.

Each learns from trained models and their twins, and returns a function of dense networks `[models, parameters]` (and of
their Fisher information, where it learned from that too) that gives scores of the same shape, 0 where a parameter is no
weight. Scores rank weights for pruning; `along` converts them to log α.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from sklearn.ensemble import HistGradientBoostingRegressor
from torch import Tensor

from zootwins.experiments.representations.states import VdStates
from zootwins.experiments.representations.tokens import Tokens
from zootwins.experiments.representations.weight_features import FEATURES, weight_features

Predictor = Callable[[Tensor, Tensor | None], Tensor]
TREES, LEAVES = 100, 63
_FALL = 1e-3  # of a curve from end to end, so that the order is kept too where log α is clamped in all models


@dataclass(frozen=True)
class Pairs:
    """Dense models and their twins by variational dropout, `[models, parameters]` each.

    Attributes:
        dense: weights before.
        alphas: log α after the last epoch.
        trained: weights after the last epoch.
        fisher: of the dense models (`zootwins.experiments.representations.unseen`), or None.
    """

    tokens: Tokens
    models: list[str]
    dense: Tensor
    alphas: Tensor
    trained: Tensor
    fisher: Tensor | None = None

    @classmethod
    def of(cls, states: VdStates) -> "Pairs":
        start, end = states.ends()
        return cls(states.tokens, start.models, start.weights, end.alphas, end.weights)


def layer_curves(train: Pairs) -> list[Tensor]:
    """Return for each layer the n-th largest log α of its weights, mean over the training models, `[weights]`.

    With magnitude for scores (`along`), this is the population prior: how much the zoo prunes in each layer, and then
    magnitude.
    """
    layers = layers_of(train.tokens)
    curves = [train.alphas[:, layer].sort(dim=1, descending=True).values.mean(0) for layer in layers]
    return [curve - torch.linspace(0, _FALL, len(curve)) for curve in curves]


def along(curves: list[Tensor], scores: Tensor, tokens: Tokens) -> Tensor:
    """Log α by scores: the weight with the n-th highest score in a layer is given the n-th value of its curve.

    Pruned by a threshold or to a sparsity, layers are as sparse as the zoo's are in the mean, whatever the scores.
    """
    found = torch.zeros_like(scores)
    for layer, curve in zip(layers_of(tokens), curves, strict=True):
        found[:, layer] = curve[scores[:, layer].argsort(dim=1, descending=True, stable=True).argsort(dim=1)]
    return found


def layers_of(tokens: Tokens) -> list[Tensor]:
    """Return which parameters are the weights of each layer."""
    return [(tokens.layer_of == number) & tokens.prunable for number in range(len(tokens.sizes))]


def boosting(train: Pairs) -> Predictor:
    """Fit gradient-boosted trees on each weight's features, all weights of all layers in one model."""
    tokens = train.tokens
    features = weight_features(train.dense, tokens, train.fisher).flatten(0, 1).numpy()
    trees = HistGradientBoostingRegressor(
        max_iter=TREES,
        max_leaf_nodes=LEAVES,
        categorical_features=[FEATURES.index("layer")],
        early_stopping=False,
        random_state=0,
    ).fit(features, train.alphas[:, tokens.prunable].flatten().numpy())

    def predict(dense: Tensor, fisher: Tensor | None = None) -> Tensor:
        found = torch.zeros_like(dense)
        predicted = torch.from_numpy(trees.predict(weight_features(dense, tokens, fisher).flatten(0, 1).numpy()))
        found[:, tokens.prunable] = predicted.view(len(dense), -1).to(dense.dtype)
        return found

    return predict
