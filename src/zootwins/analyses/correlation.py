"""Correlation over a population, between originals and twins: Pearson's r and Kendall's tau-b."""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import stats

from zootwins.analyses.intervals import interval

_PAIRS_UP_TO = 100  # models whose pairs are compared one and all, of many draws at once


@dataclass(frozen=True)
class Coefficient:
    """A correlation coefficient, its 95 % bootstrap interval and the p-value of no correlation.

    All of them are NaN where the coefficient is undefined: a constant quantity, or fewer than three models (any
    two points lie on a line).
    """

    value: float
    low: float
    high: float
    p: float


UNDEFINED = Coefficient(np.nan, np.nan, np.nan, np.nan)


def pearson(x: np.ndarray, y: np.ndarray) -> Coefficient:
    """Pearson's r of two quantities `[models]`."""
    if _undefined(x, y):
        return UNDEFINED
    result = stats.pearsonr(x, y)
    low, high = interval((x, y), _pearson_r)
    return Coefficient(float(result.statistic), low, high, float(result.pvalue))


def kendall(x: np.ndarray, y: np.ndarray) -> Coefficient:
    """Kendall's tau-b (corrected for ties) of two quantities `[models]`."""
    if _undefined(x, y):
        return UNDEFINED
    result = stats.kendalltau(x, y)
    # models that are drawn twice tie, so that draws vary more than tau does: no correction (see `intervals`)
    few = len(x) <= _PAIRS_UP_TO
    low, high = interval((x, y), _tau_of_pairs if few else _kendall_tau, vectorized=few, corrected=False)
    return Coefficient(float(result.statistic), low, high, float(result.pvalue))


def _undefined(x: np.ndarray, y: np.ndarray) -> bool:
    return len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0


def _pearson_r(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
    with warnings.catch_warnings():  # a draw may be constant: its r is NaN, and so will be the interval
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        warnings.simplefilter("ignore", stats.NearConstantInputWarning)
        return stats.pearsonr(x, y, axis=axis).statistic


def _kendall_tau(x: np.ndarray, y: np.ndarray) -> float:
    return stats.kendalltau(x, y, method="asymptotic").statistic  # the method concerns p alone; this one is quick


def _tau_of_pairs(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
    """The same by its definition, of many draws at once: the models are on the last axis."""
    first, second = np.triu_indices(x.shape[axis], 1)
    x, y = (np.sign(values[..., first] - values[..., second]) for values in (x, y))
    return (x * y).sum(-1) / np.sqrt((x != 0).sum(-1) * (y != 0).sum(-1))
