"""Bootstrap intervals over a population: 95 %, percentile method, models as the units that are drawn.

The percentile method is taken throughout because it stays defined where all models are equal (an exact sparsity),
where BCa is not. Draws are seeded, so that a table is the same when it is made again.
"""

import warnings
from collections.abc import Callable

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 2000
_SEED = 20230427  # any constant: the same draws for every quantity
_BATCH = 100  # resamples held at once: bounds memory for thousands of models


def generator() -> np.random.Generator:
    """A fresh generator that always starts with the same draws."""
    return np.random.default_rng(_SEED)


def mean_interval(values: np.ndarray) -> tuple[float, float]:
    """Interval of the mean of `[models]` values; NaN for fewer than two models."""
    return interval((values,), np.mean)


def interval(
    samples: tuple[np.ndarray, ...], statistic: Callable[..., np.ndarray], *, vectorized: bool = True
) -> tuple[float, float]:
    """Interval of a statistic of one or more quantities `[models]`; a draw takes all of a model's quantities.

    Args:
        statistic: takes the quantities and, if `vectorized`, the keyword `axis`.

    Returns:
        Lower and upper bound; NaN for fewer than two models, and where the statistic of a draw is undefined.
    """
    if len(samples[0]) < 2:
        return np.nan, np.nan
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # it says what the NaN does
        result = stats.bootstrap(
            samples,
            statistic,
            paired=True,
            vectorized=vectorized,
            n_resamples=RESAMPLES,
            batch=_BATCH,
            confidence_level=CONFIDENCE,
            method="percentile",
            rng=generator(),
        ).confidence_interval
    return float(result.low), float(result.high)
