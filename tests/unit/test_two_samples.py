import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from zootwins.analyses.two_samples import holm, kendall_differ, means_differ, pearson_differ


def test_means_differ_as_welch_has_it():
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, 16), rng.normal(0.5, 3, 40)
    welch = stats.ttest_ind(x, y, equal_var=False)
    ours = means_differ(x.mean(), x.std(ddof=1), 16, y.mean(), y.std(ddof=1), 40)
    assert ours.in_standard_errors == pytest.approx(welch.statistic)
    assert ours.p == pytest.approx(welch.pvalue)


def test_rounding_makes_small_differences_smaller():
    exact, rounded = (means_differ(1.03, 0.1, 1000, 1.0, 0.1, 1000, resolution) for resolution in (0, 0.1))
    assert exact.p < 0.01 < 0.05 < rounded.p


def test_what_does_not_vary_is_not_tested():
    assert np.isnan(means_differ(80.0, 0.0, 16, 80.1, 0.0, 1000, 0.1).p)


def test_correlations_differ_as_fisher_has_it():
    ours = pearson_differ(0.5, 53, 0.2, 103)
    assert ours.in_standard_errors == pytest.approx((np.arctanh(0.5) - np.arctanh(0.2)) / np.sqrt(1 / 50 + 1 / 100))
    assert ours.p == pytest.approx(2 * stats.norm.sf(ours.in_standard_errors))
    assert np.isnan(pearson_differ(np.nan, 53, 0.2, 103).p)
    assert np.isnan(kendall_differ(1.0, 5, 0.7, 1000).p)  # the transform of 1 is infinite, whatever n is


@pytest.mark.parametrize(
    ("differ", "statistic"),
    [
        (pearson_differ, lambda x, y: stats.pearsonr(x, y).statistic),
        (kendall_differ, lambda x, y: stats.kendalltau(x, y, method="asymptotic").statistic),
    ],
)
def test_standard_errors_are_those_of_normal_samples(differ, statistic):
    """Differences of two samples of one population have a standard deviation of 1."""
    rng = np.random.default_rng(1)
    pairs = rng.multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], size=(2, 400, 60))
    small, large = (
        [statistic(*each[:models].T) for each in half] for half, models in zip(pairs, (40, 60), strict=True)
    )
    assert differ(small, 40, large, 60).in_standard_errors.std() == pytest.approx(1, abs=0.12)


def test_holm_is_as_in_his_paper():
    adjusted = holm([0.01, 0.04, np.nan, 0.03, 0.005])
    assert adjusted == pytest.approx([0.03, 0.06, np.nan, 0.06, 0.02], nan_ok=True)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_adjusted_values_are_larger_and_keep_the_order(p):
    adjusted = holm(p)
    assert (adjusted >= np.minimum(p, 1)).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()
