"""Order along a method's dial is Kendall's tau with the originals, and with the twins at the point before."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from synthetic import make_results
from zootwins.analyses.rank_stability import arrange_rank_stability, rank_stability_table


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return make_results(tmp_path_factory.mktemp("twins"))


def test_is_scipys_tau_of_the_same_models(results):
    table = rank_stability_table([results])
    for method in ("mp", "vd"):
        points = results.milestones(method)
        accuracies = [results.at(method, point)["test_accuracy"] for point in points]
        originals = results.originals["test_accuracy"]
        part = table[table["method"] == method].set_index(["against", "point"])
        for place, point in enumerate(points):
            expected = stats.kendalltau(originals.reindex(accuracies[place].index), accuracies[place])
            found = part.loc[("original", point.value)]
            assert found["tau"] == pytest.approx(expected.statistic, nan_ok=True)
            assert found["p"] == pytest.approx(expected.pvalue, nan_ok=True)
            assert found["models"] == len(accuracies[place])
            if place:
                expected = stats.kendalltau(accuracies[place - 1], accuracies[place])
                assert part.loc[("before", point.value), "tau"] == pytest.approx(expected.statistic, nan_ok=True)
        assert ("before", points[0].value) not in part.index


def test_an_order_that_is_kept_and_one_that_is_reversed(results):
    scores = results.tables["vd/scores"].copy()
    originals = results.originals["test_accuracy"].reindex(scores["index"]).to_numpy()
    scores["test_accuracy"] = np.where(scores["epoch"] == 0, originals, 1 - originals)
    changed = replace(results, tables={**results.tables, "vd/scores": scores})
    table = rank_stability_table([changed]).set_index(["method", "against", "point"])
    for key, tau in {("original", 0): 1, ("original", 2): -1, ("before", 2): -1, ("before", 4): 1}.items():
        row = table.loc[("vd", *key)]
        assert (row["tau"], row["low"], row["high"]) == pytest.approx((tau, tau, tau))


def test_reads_as_a_line_a_point(results):
    table = rank_stability_table([results])
    text = arrange_rank_stability(table)
    assert len(text) == len(table[table["against"] == "original"])
    assert list(text.columns) == ["τ with the originals", "τ with the twins at the point before"]
    assert all(isinstance(key, str) for keys in text.index for key in keys)  # as what typesets it wants it
    assert text.iloc[0, 1] == "–"
    shown = text.iloc[1, 0]
    row = table[table["against"] == "original"].iloc[1]
    assert np.isnan(row["tau"]) or shown == f"{row['tau']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
