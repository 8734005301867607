"""Statistics over a population that come with p-values: Pearson's r, Kendall's tau-b, and two tests of differences.

All that takes `scipy.stats` for tables is here: importing it takes longer than making most of those that do without.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from zootwins.analyses.intervals import interval

MOST_ENUMERATED = 13  # differences with ties of which SciPy's signed-rank test takes all signs


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
    """Return Pearson's r of two quantities `[models]`."""
    if _undefined(x, y):
        return UNDEFINED
    result = stats.pearsonr(x, y)
    low, high = interval((x, y), pearson_r)
    return Coefficient(float(result.statistic), low, high, float(result.pvalue))


def kendall(x: np.ndarray, y: np.ndarray) -> Coefficient:
    """Return Kendall's tau-b (corrected for ties) of two quantities `[models]`."""
    if _undefined(x, y):
        return UNDEFINED
    result = stats.kendalltau(x, y)
    # models that are drawn twice tie, so that draws vary more than tau does: no correction (see `intervals`)
    low, high = interval((np.arange(len(x)),), _resampled_tau(x, y), corrected=False)
    return Coefficient(float(result.statistic), low, high, float(result.pvalue))


def _undefined(x: np.ndarray, y: np.ndarray) -> bool:
    return len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0


def pearson_r(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """Return Pearson's r along an axis; NaN where a quantity is constant."""
    with warnings.catch_warnings():  # a draw may be constant: its r is NaN, and so will be the interval
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        warnings.simplefilter("ignore", stats.NearConstantInputWarning)
        return stats.pearsonr(x, y, axis=axis).statistic


def kendall_tau(x: np.ndarray, y: np.ndarray) -> float:
    """Return Kendall's tau-b of two quantities `[models]`; NaN where one is constant."""
    method = "asymptotic" if len(x) > 2 else "auto"  # it concerns p alone; the quick one divides by n - 2
    return stats.kendalltau(x, y, method=method).statistic


def _resampled_tau(x: np.ndarray, y: np.ndarray) -> Callable[..., np.ndarray]:
    """Return tau-b of resampled models: a model drawn k times is k models that tie with each other."""
    order_x, order_y = (np.sign(values[:, None] - values).astype(np.float32) for values in (x, y))

    def tau(drawn: np.ndarray, axis: int) -> np.ndarray:
        drawn = np.moveaxis(drawn, axis, -1)
        times = np.stack([np.bincount(row, minlength=len(x)) for row in drawn.reshape(-1, drawn.shape[-1])])
        times = times.astype(np.float32)  # small whole numbers: exact
        concordant, pairs_x, pairs_y = (
            ((times @ pairs) * times).sum(-1, dtype=np.float64)
            for pairs in (order_x * order_y, np.abs(order_x), np.abs(order_y))
        )
        return (concordant / np.sqrt(pairs_x * pairs_y)).reshape(drawn.shape[:-1])

    return tau


def wilcoxon(differences: pd.Series) -> float:
    """Return the p-value of Wilcoxon's signed-rank test; 1 where nothing differs, NaN with no or unknown pairs.

    SciPy's choice between the exact test and the normal approximation. Of up to 13 differences with ties or zeros,
    SciPy ranks again for each of 2^n signs, most of a second; ranks do not depend on signs, so here they are made once.
    """
    if differences.empty or differences.isna().any():
        return np.nan
    exact = differences.round(9).to_numpy()  # of shares of some hundred images: rounding must not part what ties
    if not exact.any():
        return 1.0
    sizes = np.abs(exact)
    if len(exact) > MOST_ENUMERATED or (sizes.all() and len(np.unique(sizes)) == len(exact)):
        return float(stats.wilcoxon(exact).pvalue)
    ranks = np.where(sizes > 0, stats.rankdata(sizes) - np.sum(sizes == 0), 0)
    signs = stats.permutation_test(
        (exact,),
        lambda sample, axis: ((sample > 0) * ranks).sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=2**MOST_ENUMERATED,
    )
    return float(signs.pvalue)


def factor_effect(values: pd.Series, levels: pd.Series) -> tuple[float, float]:
    """Return ε² of a quantity by the levels of a factor, and its p-value; NaN where values or levels are equal."""
    groups = [part.to_numpy() for _, part in values.groupby(levels)]
    if len(groups) < 2 or np.ptp(values) == 0:
        return np.nan, np.nan
    test = stats.kruskal(*groups)
    return test.statistic / (len(values) - 1), test.pvalue
