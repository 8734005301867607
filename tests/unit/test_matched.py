import numpy as np
import pytest
from scipy import stats

from made_methods import made, penalised, pruned
from zootwins.analyses.matched import (
    arrange_equal_sparsity_comparison,
    arrange_method_ranks,
    equal_sparsity_comparison_table,
    method_ranks_table,
)

ORIGINAL = [0.9, 0.8, 0.7, 0.6, 0.5, 0.45]
GMP = [0.8, 0.7, 0.65, 0.5, 0.45, 0.46]
RP = [0.6, 0.75, 0.4, 0.3, 0.35, 0.2]


@pytest.fixture
def results():
    tables = {
        "gmp/scores": pruned({0.0: ORIGINAL, 0.5: GMP, 0.9: np.array(GMP) - 0.2}),
        "rp/scores": pruned({0.0: ORIGINAL, 0.5: RP, 0.9: [0.1] * 6}),
        # one of L0's models is never as sparse as half, none as 90 %
        "l0/scores": penalised({1: ([0.3] * 6, ORIGINAL), 100: ([0.7] * 5 + [0.4], RP)}),
    }
    return made(tables, ORIGINAL)


def row(table, method, against, sparsity):
    (found,) = table[
        (table["method"] == method) & (table["against"] == against) & np.isclose(table["sparsity"], sparsity)
    ].to_dict("records")
    return found


def test_differences_at_a_sparsity(results):
    table = equal_sparsity_comparison_table([results])
    difference = 100 * (np.array(GMP) - RP)
    at_half = row(table, "gmp", "rp", 50)
    assert at_half["mean"] == pytest.approx(difference.mean())
    assert at_half["std"] == pytest.approx(difference.std(ddof=1))
    assert at_half["better"] == pytest.approx(100 * 5 / 6)
    assert at_half["p"] == pytest.approx(stats.wilcoxon(difference).pvalue)
    assert at_half["low"] < at_half["mean"] < at_half["high"]
    # half way between the points of 50 and 90 %
    middle = (100 * np.array(GMP) - 10) - (100 * np.array(RP) + 10) / 2
    assert row(table, "gmp", "rp", 70)["mean"] == pytest.approx(middle.mean())


def test_models_count_that_both_methods_have_there(results):
    table = equal_sparsity_comparison_table([results])
    assert row(table, "gmp", "l0", 50)["models"] == 5
    matched = (np.array(ORIGINAL) + RP)[:5] / 2  # half way between the penalties
    assert row(table, "gmp", "l0", 50)["mean"] == pytest.approx(100 * (np.array(GMP)[:5] - matched).mean())
    beyond = row(table, "gmp", "l0", 90)
    assert (beyond["models"], beyond["reason"]) == (0, "no model has both methods' twins as sparse")
    text = arrange_equal_sparsity_comparison(table)
    assert text["90 %"].iloc[1] == "–"
    assert text["50 %"].iloc[1].endswith("n 5")


def test_ranks_are_kendalls_tau(results):
    table = method_ranks_table([results])
    at_half = row(table, "gmp", "rp", 50)
    assert at_half["tau"] == pytest.approx(stats.kendalltau(GMP, RP).statistic)
    assert at_half["tau_p"] == pytest.approx(stats.kendalltau(GMP, RP).pvalue)
    lines = [np.polyval(np.polyfit(ORIGINAL, one, 1), ORIGINAL) for one in (GMP, RP)]
    residuals = [(np.array(one) - line).round(9) for one, line in zip((GMP, RP), lines, strict=True)]
    assert at_half["residual_tau"] == pytest.approx(stats.kendalltau(*residuals).statistic)
    with_original = row(table, "gmp", "original", 50)
    assert with_original["tau"] == pytest.approx(stats.kendalltau(GMP, ORIGINAL).statistic)
    assert np.isnan(with_original["residual_tau"])


def test_ranks_of_equal_models_say_why_there_are_none(results):
    assert row(method_ranks_table([results]), "gmp", "rp", 90)["reason"] == "fewer than three models, or all equal"
    assert "original" in " ".join(arrange_method_ranks(method_ranks_table([results])).index.get_level_values(1))
