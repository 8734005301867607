"""Order along a method's dial is Kendall's tau with the originals, and with the twins at the point before."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from synthetic import make_results
from zootwins.analyses.rank_stability import arrange_rank_stability, rank_stability_table
from zootwins.reporting.figures.rank_stability import rank_stability


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


def test_models_are_matched_by_index(results):
    scores = results.tables["vd/scores"].sample(frac=1, random_state=0)
    changed = replace(results, tables={**results.tables, "vd/scores": scores})
    found, expected = (rank_stability_table([one])["tau"] for one in (changed, results))
    pd.testing.assert_series_equal(found, expected)


@pytest.mark.parametrize("models", [14, 6, 3, 2])
def test_draws_an_order_that_is_kept_whole_however_few_models(results, models):
    """A tau of 1 is a rounding error less than the end of its interval, for some numbers of models."""
    kept = results.models[results.models["status"] == "ok"].head(models)
    tables = {
        name: table[table["index"].isin(kept["index"])] for name, table in results.tables.items() if "index" in table
    }
    originals = kept.set_index("index")["test_accuracy"].rank()
    scores = tables["vd/scores"]
    tables["vd/scores"] = scores.assign(test_accuracy=originals.reindex(scores["index"]).to_numpy())
    few = [replace(results, models=kept, tables=tables)]
    figure = rank_stability(few, rank_stability_table(few))
    assert len(figure.axes) == 2 * (models > 2)  # else it says that there is nothing to show


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


def test_a_twin_that_is_missing_leaves_the_others(results):
    points = results.milestones("mp")
    scores = results.tables["mp/scores"]
    lost = results.at("mp", points[1]).index[0]
    gone = (scores["index"] == lost) & np.isclose(scores["ratio"], points[1].value / 100)
    changed = replace(results, tables={**results.tables, "mp/scores": scores[~gone]})
    table = rank_stability_table([changed]).set_index(["method", "against", "point"])
    row = table.loc[("mp", "before", points[2].value)]
    accuracies = [results.at("mp", point)["test_accuracy"].drop(lost) for point in points[1:3]]
    assert row["tau"] == pytest.approx(stats.kendalltau(*accuracies).statistic)
    assert row["models"] == len(accuracies[0])
    assert f"{len(accuracies[0])}" in arrange_rank_stability(table.reset_index()).index.get_level_values("n")[2]
