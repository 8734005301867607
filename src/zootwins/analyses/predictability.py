"""How well a dense model predicts its twin's accuracy before any sparsification.

Ridge regression from per-layer statistics of the dense weights (mean, variance, percentiles: the baseline of the
hyper-representation literature), against the plain line through the original's accuracy.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from zootwins.analyses.cells import lines, shorts, texts, value_interval
from zootwins.analyses.intervals import interval
from zootwins.analyses.results import ZooResults

PERCENTILES = (1, 25, 50, 75, 99)
FOLDS = 5
LEAST_MODELS = 2 * FOLDS  # fewer leave a fold with one model
_PENALTIES = np.logspace(-2, 4, 13)


def weight_statistics(parameters: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return mean, variance and percentiles of every layer's weights and biases.

    Args:
        parameters: `{layer}.weight` and `{layer}.bias`, each `[models, …]`.

    Returns:
        One row a model, columns such as `conv1.weight.mean`.
    """
    columns = {}
    for name, tensor in parameters.items():
        flat = tensor.reshape(len(tensor), -1)
        columns[f"{name}.mean"], columns[f"{name}.variance"] = flat.mean(1), flat.var(1)
        for percentile, values in zip(PERCENTILES, np.percentile(flat, PERCENTILES, axis=1), strict=True):
            columns[f"{name}.p{percentile}"] = values
    return pd.DataFrame(columns)


def cross_validated_r2(features: np.ndarray, target: np.ndarray, *, ridge: bool) -> tuple[float, float, float]:
    """Return R² of predictions for held-out models, and its 95 % bootstrap interval.

    The interval is that of these predictions: draws do not fit the regression again. Predictions are kept to 0 … 1: a
    model whose training diverged has weights of 10⁴, from which a line fitted to others leads anywhere.

    Args:
        features: `[models, features]`.
        target: `[models]`, accuracies as fractions.
        ridge: standardise and penalise, the penalty chosen within the training folds; else ordinary least squares.
    """
    from sklearn.linear_model import LinearRegression, RidgeCV
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(target) < LEAST_MODELS or np.ptp(target) == 0:
        return np.nan, np.nan, np.nan
    model = make_pipeline(StandardScaler(), RidgeCV(_PENALTIES)) if ridge else LinearRegression()
    predicted = cross_val_predict(model, features, target, cv=KFold(FOLDS, shuffle=True, random_state=0)).clip(0, 1)
    return float(_r2(target, predicted, axis=-1)), *interval((target, predicted), _r2)


def _r2(target: np.ndarray, predicted: np.ndarray, axis: int) -> np.ndarray:
    residual = ((target - predicted) ** 2).sum(axis)
    return 1 - residual / ((target - target.mean(axis, keepdims=True)) ** 2).sum(axis)


def predictability_table(zoos: Sequence[ZooResults]) -> pd.DataFrame:
    """Return cross-validated R² of twin accuracy at Table 2's operating points, one row per zoo and method."""
    rows = []
    for results in zoos:
        statistics = results.tables["weight_statistics"].set_index("index")
        for method, point in results.operating_points("correlation").items():
            twin = results.at(method, point)["test_accuracy"]
            original = results.originals["test_accuracy"].reindex(twin.index).to_numpy()[:, None]
            weights = statistics.reindex(twin.index).to_numpy()
            predictors = {
                "original_accuracy": (original, False),
                "weight_statistics": (weights, True),
                "both": (np.hstack((original, weights)), True),
            }
            row = {"zoo": results.zoo.id, "method": method, "models": len(twin)}
            for name, (features, ridge) in predictors.items():
                values = cross_validated_r2(features, twin.to_numpy(), ridge=ridge)
                row |= dict(zip((f"{name}_r2", f"{name}_low", f"{name}_high"), values, strict=True))
            rows.append(row)
    names = ("original_accuracy", "weight_statistics", "both")
    columns = [f"{name}_{suffix}" for name in names for suffix in ("r2", "low", "high")]
    return pd.DataFrame(rows, columns=["zoo", "method", "models", *columns])


def arrange_predictability(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo and method; R² in percent."""
    headings = {"original_accuracy": "Original accuracy", "weight_statistics": "Weight statistics", "both": "Both"}
    return lines(
        {"Zoo": table["zoo"], "Method": shorts(table["method"])},
        {"n": texts(table["models"])}
        | {
            heading: value_interval(*(100 * table[f"{name}_{suffix}"] for suffix in ("r2", "low", "high")))
            for name, heading in headings.items()
        },
    )
