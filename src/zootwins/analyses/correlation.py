"""Correlation over a population, between originals and twins: Pearson's r and Kendall's tau-b."""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import stats

from zootwins.analyses.intervals import interval


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
    low, high = interval((x, y), pearson_r)
    return Coefficient(float(result.statistic), low, high, float(result.pvalue))


def kendall(x: np.ndarray, y: np.ndarray) -> Coefficient:
    """Kendall's tau-b (corrected for ties) of two quantities `[models]`."""
    if _undefined(x, y):
        return UNDEFINED
    result = stats.kendalltau(x, y)
    # models that are drawn twice tie, so that draws vary more than tau does: no correction (see `intervals`)
    low, high = interval((x, y), kendall_tau, vectorized=False, corrected=False)
    return Coefficient(float(result.statistic), low, high, float(result.pvalue))


def _undefined(x: np.ndarray, y: np.ndarray) -> bool:
    return len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0


def pearson_r(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """Pearson's r along an axis; NaN where a quantity is constant."""
    with warnings.catch_warnings():  # a draw may be constant: its r is NaN, and so will be the interval
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        warnings.simplefilter("ignore", stats.NearConstantInputWarning)
        return stats.pearsonr(x, y, axis=axis).statistic


def kendall_tau(x: np.ndarray, y: np.ndarray) -> float:
    """Kendall's tau-b of two quantities `[models]`; NaN where one is constant."""
    return stats.kendalltau(x, y, method="asymptotic").statistic  # the method concerns p alone; this one is quick
