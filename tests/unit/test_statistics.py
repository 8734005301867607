import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import stats

from zootwins.analyses import intervals
from zootwins.analyses.statistics import kendall, pearson, wilcoxon

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


@pytest.mark.parametrize(
    "differences",
    [
        [0.3, -0.1, 0.2, 0.5],  # exact
        [0.1, 0.1, -0.1, 0.2, 0.0, 0.3],  # ties and a zero: all signs
        [-0.2, 0.2],
        [0.1, 0.0, 0.0],
        [0.1, 0.1, -0.1, 0.2, 0.0, 0.3] * 3,  # too many for all signs
    ],
)
def test_signed_ranks_are_those_of_scipy(differences):
    assert wilcoxon(pd.Series(differences)) == stats.wilcoxon(differences).pvalue


def test_nothing_differs_and_nothing_is_there():
    assert wilcoxon(pd.Series([0.0, 0.0])) == 1
    assert np.isnan(wilcoxon(pd.Series([], dtype=float)))


@pytest.mark.parametrize("models", [6, 8, 13, 16])
def test_an_unknown_difference_has_no_p(models):
    assert np.isnan(wilcoxon(pd.Series([0.1] * (models - 1) + [np.nan])))
