"""Baselines simpler than an auto-encoder, on the same splits: principal components, largest weights, the epoch."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
import torch
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingRegressor
from torch import Tensor

from zootwins.experiments.representations import ALL_EPOCHS, probes
from zootwins.experiments.representations.alignment import Arranged
from zootwins.experiments.representations.largest import LargestWeights
from zootwins.experiments.representations.model import magnitudes, normalise_alpha
from zootwins.experiments.representations.states import VdStates
from zootwins.experiments.representations.storage import Representation
from zootwins.experiments.representations.tokens import Tokens

SIZED_MODELS = 8  # that compare sizes: each has many states, and recovery takes its time
SIZES = (64, 128, 256, 500, 700, 1000, 1400, 2000)
_MOST_STATES, _MOST_WEIGHTS = 2_000, 200_000  # that boosted trees learn from, at most: training has tens of thousands


@dataclass(frozen=True)
class Reconstruction:
    """Weights and normalised log α of the test states, `[rows, parameters]`."""

    weights: Tensor
    alphas: Tensor

    def restored(self, arranged: Arranged) -> "Reconstruction":
        """Restore the order that the test states had before they were arranged."""
        return Reconstruction(arranged.restore(self.weights), arranged.restore(self.alphas))


def normalised(states: VdStates, representation: Representation) -> Tensor:
    """Return normalised log α as the training compares it, `[rows, parameters]`."""
    return normalise_alpha(states.alphas, representation.threshold, representation.settings.alpha_scale)


def principal_components(
    splits: Mapping[str, VdStates], representation: Representation
) -> tuple[dict[str, np.ndarray], Reconstruction]:
    """Reconstruct weights from as many principal components as the auto-encoder has latent numbers.

    The components are those of the training weights in units of the layers' standard deviations, the space of the
    loss; log α is predicted from them by ridge regression.

    Returns:
        The components of each split's states, `[rows, latent]`, and the reconstruction of the test states.
    """
    scale = representation.model.scale.cpu()
    scaled = {split: (states.weights / scale).numpy() for split, states in splits.items()}
    rows, parameters = scaled["train"].shape
    numbers = min(representation.settings.numbers, rows - 1, parameters)
    pca = PCA(numbers, svd_solver="full").fit(scaled["train"])
    components = {split: pca.transform(rows) for split, rows in scaled.items()}
    alphas = probes.ridge(
        components, {split: normalised(states, representation).numpy() for split, states in splits.items()}
    )
    weights = torch.from_numpy(pca.inverse_transform(components["test"])) * scale
    return components, Reconstruction(weights, torch.from_numpy(alphas))


def largest_weights(splits: Mapping[str, VdStates], representation: Representation) -> Reconstruction:
    """Reconstruct weights from a network's largest ones, in as many numbers as the latent vector has.

    Log α is predicted from them by boosted trees, weight by weight: from its layer, its magnitude or the bound of it,
    which of them it is, and the network's mean of both in each layer.
    """
    scale, tokens = representation.model.scale.cpu(), splits["test"].tokens
    code = LargestWeights(tokens, representation.settings.numbers)
    rng, train, test = np.random.default_rng(0), splits["train"], splits["test"]
    states = np.arange(len(train))
    if len(states) > _MOST_STATES:
        states = rng.choice(states, _MOST_STATES, replace=False)
    features = _features_of_weights(*code.recover(code(train.weights[states] / scale)), tokens)
    wanted = normalised(train, representation)[states][:, tokens.noisy].flatten().numpy()
    chosen = rng.choice(len(wanted), min(_MOST_WEIGHTS, len(wanted)), replace=False)
    trees = HistGradientBoostingRegressor(early_stopping=False, random_state=0).fit(features[chosen], wanted[chosen])
    values, bounds = code.recover(code(test.weights / scale))
    predicted = trees.predict(_features_of_weights(values, bounds, tokens))
    alphas = torch.zeros_like(test.alphas)
    alphas[:, tokens.noisy] = torch.from_numpy(predicted).view(len(alphas), -1).float()
    return Reconstruction(values * scale, alphas)


def _features_of_weights(values: Tensor, bounds: Tensor, tokens: Tokens) -> np.ndarray:
    """Return features of each parameter with a log α, `[rows · parameters, features]`."""
    log_bounds, there = magnitudes(bounds), (values != 0).float()
    layer = tokens.layer_of.expand_as(values)
    of_layers = [
        torch.cat([part.mean(1, keepdim=True) for part in one.split(tokens.sizes, 1)], 1) for one in (log_bounds, there)
    ]
    columns = [layer.float(), log_bounds, there]
    columns += [one[:, [number]].expand_as(values) for one in of_layers for number in range(len(tokens.sizes))]
    return torch.stack(columns, dim=-1)[:, tokens.noisy].flatten(0, 1).numpy()


def by_size(splits: Mapping[str, VdStates], scale: Tensor) -> pd.DataFrame:
    """Reconstruct test states from so many numbers, untrained: principal components, or the largest weights.

    Args:
        splits: the states of train and test.
        scale: of each parameter's layer, `[parameters]`.

    Returns:
        One row a predictor (`pca`, up to as many components as training states have; `largest`), number and epoch, and
        all of them (-1): predictor, numbers, epoch, r2.
    """
    unseen = splits["test"].of(splits["test"].models[:SIZED_MODELS])
    train, test, tokens = splits["train"].weights / scale, unseen.weights / scale, unseen.tokens
    mean = train.mean(0)
    basis = torch.linalg.eigh((train - mean).T.double() @ (train - mean).double()).eigenvectors.flip(1).float()
    predicted = ((test - mean) @ basis).square().cumsum(1)
    total = (test - mean).square().sum(1)
    epochs = unseen.table["epoch"].to_numpy()
    rows = []
    for numbers in (size for size in SIZES if size <= len(mean)):
        errors = {"pca": total - predicted[:, numbers - 1]} if numbers < len(train) else {}
        if numbers > LargestWeights.of_places(tokens):
            code = LargestWeights(tokens, numbers)
            errors["largest"] = (code.recover(code(test))[0] - test).square().sum(1)
        for (predictor, error), epoch in product(errors.items(), (ALL_EPOCHS, *np.unique(epochs))):
            there = torch.from_numpy((epochs == epoch) | (epoch == ALL_EPOCHS))
            r2 = 1 - (error[there].double().sum() / total[there].double().sum()).item()
            rows.append({"predictor": predictor, "numbers": numbers, "epoch": epoch, "r2": r2})
    return pd.DataFrame(rows)


def epoch_alone(splits: Mapping[str, VdStates], representation: Representation) -> Reconstruction:
    """Predict states from their epoch alone: the mean of the training models there."""
    train, test = splits["train"], splits["test"]
    epochs, rows = np.unique(train.table["epoch"], return_inverse=True)
    chosen = torch.from_numpy(np.searchsorted(epochs, test.table["epoch"]))
    counts = torch.bincount(torch.from_numpy(rows))[:, None]
    return Reconstruction(
        *(
            (values.new_zeros(len(epochs), values.shape[1]).index_add_(0, torch.from_numpy(rows), values) / counts)[
                chosen
            ]
            for values in (train.weights, normalised(train, representation))
        )
    )
