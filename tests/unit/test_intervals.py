"""Bootstrap intervals: those of SciPy, and what is known of their coverage."""

import math
from functools import partial

import numpy as np
import pytest
from scipy import stats

from zootwins.analyses import intervals
from zootwins.analyses.intervals import expanded_level, interval, mean_interval, split_interval, student_quantile

SAME = 1e-12  # float64: quantiles are interpolated in another order than SciPy's


def median(sample):
    """Return the median, one draw at a time."""
    assert sample.ndim == 1
    return np.median(sample)


def scipys(sample, statistic, method, models):
    """Return SciPy's interval of as many draws, from the same generator."""
    level = expanded_level(models) if method == "BCa" else intervals.CONFIDENCE
    settings = {"confidence_level": level, "n_resamples": intervals.RESAMPLES, "batch": 100, "paired": True}
    vectorized = statistic is not median
    found = stats.bootstrap(
        (sample,), statistic, method=method, rng=intervals.generator(), vectorized=vectorized, **settings
    )
    return tuple(found.confidence_interval)


@pytest.mark.parametrize("models", [6, 16, 400])
@pytest.mark.parametrize("statistic", [np.mean, partial(np.std, ddof=1), median])
def test_intervals_are_scipys(models, statistic):
    """Skewed, with ties; 400 models are drawn, and left out, in parts."""
    sample = np.random.default_rng(models).gamma(1, size=models).round(1)
    for corrected, method in ((True, "BCa"), (False, "percentile")):
        bounds = interval((sample,), statistic, vectorized=statistic is not median, corrected=corrected)
        assert bounds == pytest.approx(scipys(sample, statistic, method, models), rel=SAME)


def test_a_draw_takes_all_quantities_of_a_model():
    first = np.arange(20.0) ** 2
    assert interval((first, -first), lambda own, other, axis: (own + other).sum(axis=axis)) == (0, 0)


def test_where_bca_is_not_defined_the_percentile_method_takes_its_level():
    """The median of all models but one does not vary here, so that there is no acceleration."""
    sample = np.array([0.0] * 10 + [0.5] * 3 + [1.0] * 11)
    bounds = interval((sample,), median, vectorized=False)
    tail = (1 - expanded_level(24)) / 2
    rng = intervals.generator()
    drawn = [median(sample[rng.integers(0, 24, 24)]) for _ in range(intervals.RESAMPLES)]
    assert bounds == tuple(np.quantile(drawn, (tail, 1 - tail))) == (0, 1)


def test_levels_and_quantiles_are_students():
    quantile = stats.t.ppf(0.975, 15)
    assert student_quantile(16) == pytest.approx(quantile, rel=SAME)
    assert expanded_level(16) == pytest.approx(1 - 2 * stats.norm.sf(np.sqrt(16 / 15) * quantile), rel=SAME)


def test_mean_interval_is_near_the_normal_one():
    sample = np.random.default_rng(3).normal(70, 5, 500)
    half = 1.96 * sample.std(ddof=1) / math.sqrt(500)
    # half is 0.44; 2000 resamples place each bound to about 0.02
    assert mean_interval(sample) == pytest.approx((sample.mean() - half, sample.mean() + half), abs=0.06)


def test_intervals_of_few_models_cover_the_truth(monkeypatch):
    """Of populations of 8 models 93 % are covered, where the percentile method at its nominal level covers 88 %."""
    monkeypatch.setattr(intervals, "RESAMPLES", 300)
    samples = np.random.default_rng(4).normal(size=(300, 8))
    shares = []
    for corrected in (True, False):
        bounds = np.array([interval((sample,), np.mean, corrected=corrected) for sample in samples])
        shares.append(((bounds[:, 0] < 0) & (bounds[:, 1] > 0)).mean())
    assert shares[0] > 0.9
    assert shares[0] - shares[1] > 0.03


def test_bounds_of_a_skewed_population_are_corrected():
    """BCa bounds of a mean lie further to the long side than the percentile method's."""
    sample = np.random.default_rng(5).gamma(1, size=30)
    settings = {"confidence_level": expanded_level(30), "rng": intervals.generator(), "n_resamples": 2000}
    plain = stats.bootstrap((sample,), np.mean, method="percentile", **settings).confidence_interval
    low, high = mean_interval(sample)
    assert low > plain.low
    assert high > plain.high


@pytest.mark.parametrize("models", [2, 5])
def test_few_models_have_students_interval_and_nothing_but_a_mean_has_one(models):
    """A draw of some models lies within their range, whose ends are on one side of the truth too often."""
    sample = np.random.default_rng(1).normal(size=models)
    expected = stats.ttest_1samp(sample, 0).confidence_interval(0.95)
    assert mean_interval(sample) == pytest.approx((expected.low, expected.high))
    assert np.isnan(interval((sample,), np.median)).all()


def test_mean_interval_of_equal_and_of_single_values():
    assert mean_interval(np.full(5, 80.0)) == (80.0, 80.0)
    assert all(math.isnan(bound) for bound in mean_interval(np.array([80.0])))


def test_intervals_allow_for_what_splits_share():
    values = np.array([1.0, 2.0, 4.0])
    plain = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert split_interval(values, 0.0) == pytest.approx((plain.low, plain.high))
    low, high = split_interval(values, 0.25)
    assert (high - low) / (plain.high - plain.low) == pytest.approx(((1 / 3 + 0.25) * 3) ** 0.5)
    assert np.isnan(split_interval(values[:1], 0.25)).all()
