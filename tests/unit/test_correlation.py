import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import stats

from zootwins.analyses import intervals
from zootwins.analyses.correlation import kendall, pearson
from zootwins.analyses.intervals import expanded_level, interval, mean_interval

ROUNDING = 1e-9  # float64 sums of some ten numbers
values = npst.arrays(np.float64, 8, elements=st.integers(0, 5).map(lambda i: i / 10))  # with ties


def tau_b(x, y):
    """Kendall's tau-b from its definition: concordant less discordant pairs over those without ties."""
    pairs = [(np.sign(x[i] - x[j]), np.sign(y[i] - y[j])) for i, j in combinations(range(len(x)), 2)]
    balance = sum(a * b for a, b in pairs)
    return balance / math.sqrt(sum(a != 0 for a, _ in pairs) * sum(b != 0 for _, b in pairs))


@settings(deadline=None)
@given(values, values)
def test_closed_forms_and_ranges(x, y):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intervals, "RESAMPLES", 9)  # the interval is not looked at
        r, tau = pearson(x, y), kendall(x, y)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert math.isnan(r.value)
        assert math.isnan(tau.value)
        assert math.isnan(tau.p)
    else:
        assert r.value == pytest.approx(np.corrcoef(x, y)[0, 1], abs=ROUNDING)
        assert tau.value == pytest.approx(tau_b(x, y), abs=ROUNDING)
        assert -1 <= tau.value <= 1
        assert 0 <= tau.p <= 1


def test_one_model_has_no_correlation():
    assert math.isnan(pearson(np.array([0.5]), np.array([0.4])).value)


def test_interval_holds_the_coefficient_and_is_repeatable():
    rng = np.random.default_rng(1)
    x = rng.normal(size=60)
    y = x + rng.normal(size=60)
    for coefficient in (pearson, kendall):
        result = coefficient(x, y)
        assert -1 <= result.low < result.value < result.high <= 1
        assert result == coefficient(x, y)


def test_pearson_interval_is_near_fishers():
    rng = np.random.default_rng(2)
    x = rng.normal(size=400)
    y = x + rng.normal(size=400)
    fisher = stats.pearsonr(x, y).confidence_interval()
    result = pearson(x, y)
    # 400 normal models: the two intervals, some 0.1 wide, differ by resampling noise alone
    assert (result.low, result.high) == pytest.approx(fisher, abs=0.015)


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
