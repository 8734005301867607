"""Probes: what a model's properties are told from, by ridge regression and by gradient-boosted trees.

Whatever a probe can choose, a penalty or a number of trees, it chooses on the validation models.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.linalg import eigh
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import r2_score

from zootwins.experiments.representations import TARGETS

PENALTIES = np.logspace(-4, 6, 21)
TREES, TREE_LR = 300, 0.1
_RANK = 1e-12  # eigenvalues below this share of the greatest are rounding
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class RidgePath:
    """Ridge regressions with every penalty, from one eigendecomposition; features and targets are centred.

    Attributes:
        mean, std: of the features, `[features]`; one that does not vary counts as 0.
        target_mean: `[targets]`.
        vectors: right singular vectors of the features, `[features, rank]`, and `values`, their singular values'
            squares.
        products: of features, in the vectors' basis, and targets, `[rank, targets]`.
    """

    mean: np.ndarray
    std: np.ndarray
    target_mean: np.ndarray
    vectors: np.ndarray
    values: np.ndarray
    products: np.ndarray

    @classmethod
    def fit(cls, features: np.ndarray, targets: np.ndarray) -> "RidgePath":
        """Of features `[rows, features]`, which are standardised, and targets `[rows, targets]`."""
        features, targets = features.astype(np.float64), targets.astype(np.float64)
        mean, std, target_mean = features.mean(0), features.std(0), targets.mean(0)
        std = np.where(std > 0, std, np.inf)
        standardised = (features - mean) / std
        rows, columns = standardised.shape
        values, vectors = eigh(standardised.T @ standardised if columns <= rows else standardised @ standardised.T)
        kept = values > values[-1] * _RANK
        values, vectors = values[kept], vectors[:, kept]
        if columns > rows:
            vectors = standardised.T @ (vectors / np.sqrt(values))
        products = vectors.T @ (standardised.T @ (targets - target_mean))
        return cls(mean, std, target_mean, vectors, values, products)

    def predict(self, features: np.ndarray, penalty: float) -> np.ndarray:
        """Targets `[rows, targets]` of features `[rows, features]`."""
        coefficients = self.vectors @ (self.products / (self.values + penalty)[:, None])
        return (features - self.mean) / self.std @ coefficients + self.target_mean


def ridge(features: Mapping[str, np.ndarray], targets: Mapping[str, np.ndarray]) -> np.ndarray:
    """Predictions for the test split, `[rows, targets]`, each target with the penalty that does best on validation.

    Args:
        features: `[rows, features]` of each of the `SPLITS`; standardised by the training split.
        targets: their values, `[rows, targets]`.
    """
    path = RidgePath.fit(features["train"], targets["train"])
    best = np.full(targets["train"].shape[1], -np.inf)
    predicted = np.full(targets["test"].shape, np.nan)
    for penalty in PENALTIES:
        scores = r2_score(
            targets["validation"], path.predict(features["validation"], penalty), multioutput="raw_values"
        )
        better = scores > best
        predicted[:, better] = path.predict(features["test"], penalty)[:, better]
        best = np.where(better, scores, best)
    return predicted


def boosted(features: Mapping[str, np.ndarray], targets: Mapping[str, np.ndarray]) -> np.ndarray:
    """The same by gradient-boosted trees, as many of them as do best on validation."""
    return np.stack(
        [_boosted_target(features, {split: targets[split][:, i] for split in SPLITS}) for i in range(len(TARGETS))], 1
    )


def _boosted_target(features: Mapping[str, np.ndarray], target: Mapping[str, np.ndarray]) -> np.ndarray:
    trees = HistGradientBoostingRegressor(
        learning_rate=TREE_LR, max_iter=TREES, early_stopping=False, random_state=0
    ).fit(features["train"], target["train"])
    errors = [((seen - target["validation"]) ** 2).mean() for seen in trees.staged_predict(features["validation"])]
    best = int(np.argmin(errors))
    return next(seen for i, seen in enumerate(trees.staged_predict(features["test"])) if i == best)


def epoch_means(tables: Mapping[str, pd.DataFrame]) -> np.ndarray:
    """The targets of the test split as who knows a state's epoch alone tells them: the training models' mean there.

    The epoch itself is not told but known: NaN.
    """
    means = tables["train"].groupby("epoch")[[name for name in TARGETS if name != "epoch"]].mean()
    return means.reindex(tables["test"]["epoch"]).assign(epoch=np.nan)[list(TARGETS)].to_numpy()
