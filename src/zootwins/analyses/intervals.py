"""Bootstrap intervals over a population: 95 %, models as the units that are drawn.

BCa (Efron 1987), which corrects for bias and skewness; the percentile method where BCa is not defined, as where all
models are equal (an exact sparsity). Either is too narrow for small populations, as the normal quantile beside
Student's, so that both take the wider level of Hesterberg's expanded percentile interval (The American Statistician 69,
2015), which is 95 % in the limit. Kendall's tau needs neither. Draws are seeded, so that a table is the same when it
is made again.

Coverage of 95 % in simulations (2000 populations, tau 600; a standard error of 0.5, tau 0.9 points), at n = 16 and 32:

                                         percentile    BCa           this module
    mean, normal                         92.0  92.9    91.9  92.8    94.5  94.2
    mean, skewed (gamma, shape 2)        90.8  92.6    91.4  92.6    94.4  93.8
    Pearson's r, normal, rho 0.7         91.5  94.2    92.8  94.2    95.4  95.8
    Kendall's tau, normal, rho 0.7       97.2  96.7    98.7  97.5    97.2  96.7 (with both corrections 99.3  97.5)
"""

import warnings
from collections.abc import Callable
from functools import cache

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 2000
LEAST = 6  # models: n of fewer lie on one side of what they are compared with, by chance, in 2 / 2ⁿ > 5 % of cases
_SEED = 20230427  # any constant: the same draws for every quantity
_HELD = 100_000  # draws of models held at once: bounds memory for thousands of models


def generator() -> np.random.Generator:
    """Return a new generator that always starts with the same draws."""
    return np.random.default_rng(_SEED)


@cache
def expanded_level(models: int) -> float:
    """Return the level that an interval of `models` models is computed at, for a coverage of `CONFIDENCE`."""
    quantile = np.sqrt(models / (models - 1)) * stats.t.ppf((1 + CONFIDENCE) / 2, models - 1)
    return float(1 - 2 * stats.norm.sf(quantile))


def mean_interval(values: np.ndarray) -> tuple[float, float]:
    """Return an interval of the mean of `[models]`; Student's for fewer than `LEAST` models, NaN for fewer than 2."""
    if 2 <= len(values) < LEAST:
        reach = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
        return float(values.mean() - reach), float(values.mean() + reach)
    return interval((values,), np.mean)


def interval(
    samples: tuple[np.ndarray, ...],
    statistic: Callable[..., np.ndarray],
    *,
    vectorized: bool = True,
    corrected: bool = True,
) -> tuple[float, float]:
    """Return an interval of a statistic of quantities `[models]`; a draw takes all of a model's quantities.

    Args:
        statistic: takes the quantities and, if `vectorized`, the keyword `axis`.
        corrected: False for the percentile method at its nominal level.

    Returns:
        Lower and upper bound; NaN for fewer than `LEAST` models, and where the statistic of a draw is undefined.
    """
    models = len(samples[0])
    if models < LEAST:
        return np.nan, np.nan
    settings = {"paired": True, "vectorized": vectorized, "batch": max(1, _HELD // models)}
    settings["confidence_level"] = expanded_level(models) if corrected else CONFIDENCE
    method = "BCa" if corrected else "percentile"
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # it says what the NaN does
        drawn = stats.bootstrap(samples, statistic, n_resamples=RESAMPLES, method=method, rng=generator(), **settings)
        bounds = drawn.confidence_interval
        if np.isnan(bounds).any():
            bounds = stats.bootstrap(
                samples, statistic, n_resamples=0, method="percentile", bootstrap_result=drawn, **settings
            ).confidence_interval
    return float(bounds.low), float(bounds.high)
