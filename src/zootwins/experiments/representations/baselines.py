"""What is simpler than an auto-encoder, on the same splits: principal components, and the epoch alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from zootwins.experiments.representations import probes
from zootwins.experiments.representations.alignment import Arranged
from zootwins.experiments.representations.losses import normalise_alpha
from zootwins.experiments.representations.sketch import Sketch
from zootwins.experiments.representations.states import VdStates
from zootwins.experiments.representations.storage import Representation

SIZED_MODELS = 8  # that tell what a size is worth: each has many states, and recovery takes its time
SIZES = (64, 128, 256, 500, 700, 1000, 1400, 2000)
ALL = -1  # all epochs
_AT_ONCE = 256  # networks that are recovered together


@dataclass(frozen=True)
class Reconstruction:
    """Weights and normalised log α of the test states, `[rows, parameters]`."""

    weights: Tensor
    alphas: Tensor

    def restored(self, arranged: Arranged) -> "Reconstruction":
        """The same in the order that the test states had before they were arranged."""
        return Reconstruction(arranged.restore(self.weights), arranged.restore(self.alphas))


def normalised(states: VdStates, representation: Representation) -> Tensor:
    """Normalised log α as the training compares it, `[rows, parameters]`."""
    return normalise_alpha(states.alphas, representation.threshold, representation.settings.alpha_scale)


def principal_components(
    splits: Mapping[str, VdStates], representation: Representation
) -> tuple[dict[str, np.ndarray], Reconstruction]:
    """As many principal components of the weights as the auto-encoder has latent numbers, and what they give back.

    The components are those of the training weights in units of the layers' standard deviations, the space of the
    loss; log α is told from them by ridge regression.

    Returns:
        The components of each split's states, `[rows, latent]`, and the reconstruction of the test states.
    """
    scale = representation.model.scale.cpu()
    scaled = {split: (states.weights / scale).numpy() for split, states in splits.items()}
    rows, parameters = scaled["train"].shape
    numbers = min(representation.settings.latent + representation.settings.sketch, rows - 1, parameters)
    pca = PCA(numbers, svd_solver="full").fit(scaled["train"])
    components = {split: pca.transform(rows) for split, rows in scaled.items()}
    alphas = probes.ridge(
        components, {split: normalised(states, representation).numpy() for split, states in splits.items()}
    )
    weights = torch.from_numpy(pca.inverse_transform(components["test"])) * scale
    return components, Reconstruction(weights, torch.from_numpy(alphas))


def untrained_sketch(test: VdStates, representation: Representation) -> Reconstruction:
    """What as many random projections as the auto-encoder has latent numbers give back; of log α they tell nothing."""
    scale, sketch = representation.model.scale.cpu(), Sketch(test.tokens, representation.settings.latent)
    recovered = [sketch.recover(sketch(part / scale))[0] * scale for part in test.weights.split(_AT_ONCE)]
    return Reconstruction(torch.cat(recovered), torch.full_like(test.alphas, torch.nan))


def by_size(splits: Mapping[str, VdStates], scale: Tensor) -> pd.DataFrame:
    """What so many numbers tell of the weights of test states without training: components, or a sketch.

    Args:
        splits: the states of train and test.
        scale: of each parameter's layer, `[parameters]`.

    Returns:
        One row a predictor (`pca`, `sketch`), number and epoch, and all of them (-1): predictor, numbers, epoch, r2.
    """
    unseen = splits["test"].of(splits["test"].models[:SIZED_MODELS])
    train, test, tokens = splits["train"].weights / scale, unseen.weights / scale, unseen.tokens
    mean = train.mean(0)
    basis = torch.linalg.eigh((train - mean).T.double() @ (train - mean).double()).eigenvectors.flip(1).float()
    told = ((test - mean) @ basis).square().cumsum(1)
    total = (test - mean).square().sum(1)
    epochs = unseen.table["epoch"].to_numpy()
    rows = []
    for numbers in (size for size in SIZES if size <= len(mean)):
        sketch = Sketch(tokens, numbers)
        recovered = torch.cat([sketch.recover(sketch(part))[0] for part in test.split(_AT_ONCE)])
        errors = {"pca": total - told[:, numbers - 1], "sketch": (recovered - test).square().sum(1)}
        for (predictor, error), epoch in product(errors.items(), (ALL, *np.unique(epochs))):
            there = torch.from_numpy((epochs == epoch) | (epoch == ALL))
            r2 = 1 - (error[there].double().sum() / total[there].double().sum()).item()
            rows.append({"predictor": predictor, "numbers": numbers, "epoch": epoch, "r2": r2})
    return pd.DataFrame(rows)


def epoch_alone(splits: Mapping[str, VdStates], representation: Representation) -> Reconstruction:
    """What who knows a state's epoch alone takes it for: the mean of the training models there."""
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
