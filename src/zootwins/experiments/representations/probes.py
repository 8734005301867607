"""Probes: predict a model's properties by ridge regression and by gradient-boosted trees.

Whatever a probe can choose, a penalty or a number of trees, it chooses on the validation models.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler

from zootwins.experiments.representations import TARGETS

PENALTIES = np.logspace(-4, 6, 21)
TREES, TREE_LR = 300, 0.1
SPLITS = ("train", "validation", "test")


def ridge(features: Mapping[str, np.ndarray], targets: Mapping[str, np.ndarray]) -> np.ndarray:
    """Predict the test split by ridge regression, `[rows, targets]`, each penalty chosen on validation.

    Args:
        features: `[rows, features]` of each of the `SPLITS`; standardised by the training split.
        targets: their values, `[rows, targets]`.
    """
    scaler = StandardScaler().fit(features["train"].astype(np.float64))
    standardised = {split: scaler.transform(values.astype(np.float64)) for split, values in features.items()}
    best = np.full(targets["train"].shape[1], -np.inf)
    predicted = np.full(targets["test"].shape, np.nan)
    for penalty in PENALTIES:
        model = Ridge(penalty).fit(standardised["train"], targets["train"].astype(np.float64))
        found = model.predict(standardised["validation"])
        scores = r2_score(targets["validation"], found, multioutput="raw_values")
        better = scores > best
        predicted[:, better] = model.predict(standardised["test"])[:, better]
        best = np.where(better, scores, best)
    return predicted


def boosted(features: Mapping[str, np.ndarray], targets: Mapping[str, np.ndarray]) -> np.ndarray:
    """Predict it by gradient-boosted trees, their number chosen on validation."""
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
    """Predict the test split's targets from a state's epoch alone: the training models' mean there.

    The epoch itself is known: NaN.
    """
    means = tables["train"].groupby("epoch")[[name for name in TARGETS if name != "epoch"]].mean()
    return means.reindex(tables["test"]["epoch"]).assign(epoch=np.nan)[list(TARGETS)].to_numpy()
