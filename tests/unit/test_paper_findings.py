from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from synthetic import make_results
from zootwins.analyses import paper_findings
from zootwins.analyses.findings import FAILS, HOLDS, OPEN, Finding, mean_finding
from zootwins.analyses.paper_findings import findings_table


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return make_results(tmp_path_factory.mktemp("twins"))


@pytest.mark.parametrize(
    ("low", "high", "above", "verdict"),
    [
        (1, 2, True, HOLDS),
        (-2, -1, True, FAILS),
        (-1, 1, True, OPEN),
        (np.nan, np.nan, True, OPEN),
        (1, 2, False, FAILS),
        (-2, -1, False, HOLDS),
    ],
)
def test_verdicts(low, high, above, verdict):
    assert Finding("mp", "", "", 0.0, low, high, 0.0, 5, above).verdict == verdict


def test_a_mean_that_rests_on_few_models_has_no_verdict():
    """Five of sixteen that differ, all to one side, do so by chance in 2 / 2⁵ of cases."""
    few = mean_finding("", "", "", np.array([0.0] * 11 + [1.0, 1.1, 1.2, 1.3, 1.4]))
    assert (few.verdict, few.value, few.models) == (OPEN, pytest.approx(6 / 16), 16)
    assert mean_finding("", "", "", np.array([0.0] * 10 + [1.0, 1.1, 1.2, 1.3, 1.4, 1.5])).verdict == HOLDS


def verdict(results, finding, method):
    table = findings_table([results])
    row = table[table["finding"].str.contains(finding) & (table["method"] == method)]
    assert len(row) == 1
    return row["verdict"].item()


def with_table(results, name, **columns):
    return replace(results, tables={**results.tables, name: results.tables[name].assign(**columns)})


def test_every_finding_is_there_once_with_its_n(results):
    table = findings_table([results])
    assert not table.duplicated(["zoo", "method", "finding"]).any()
    assert len(table) == 2 * 4 + 3 + 1
    assert (table["models"] == 14).all()


def test_correlation_and_the_best(results):
    assert verdict(results, "correlate", "mp") == HOLDS
    turned = with_table(results, "mp/scores", test_accuracy=1 - results.tables["mp/scores"]["test_accuracy"])
    assert verdict(turned, "correlate", "mp") == FAILS
    assert verdict(turned, "best originals", "mp") in (OPEN, FAILS)


def test_robust(results):
    assert verdict(results, "robust", "vd") == HOLDS
    accuracy = results.tables["vd/scores"]["test_accuracy"]
    assert verdict(with_table(results, "vd/scores", test_accuracy=10 * accuracy), "robust", "vd") == FAILS


def test_mp_against_vd(results):
    better = results.tables["mp/scores"]["test_accuracy"] + 0.2
    for finding in ("MP beats VD up to", "MP beats VD after as many epochs"):
        assert verdict(with_table(results, "mp/scores", test_accuracy=better), finding, "mp − vd") == HOLDS
    worse = with_table(results, "mp/agreement", agreement=0.0)
    assert verdict(worse, "agrees more", "mp − vd") == FAILS


def test_mp_has_to_beat_vd_up_to_80_percent_and_no_further(results, monkeypatch):
    """It is ahead at 40 %, behind by more at 70 %, and far ahead at 90 %, which does not count."""
    rows = [
        {"index": index, "point": -1.0, "epoch": 99, "sparsity": sparsity, "difference": difference + 1e-4 * index}
        for index in range(14)
        for sparsity, difference in ((0.4, 0.01), (0.7, -0.05), (0.9, 0.5))
    ]
    monkeypatch.setattr(paper_findings, "method_differences", lambda *of: pd.DataFrame(rows))
    assert verdict(results, "MP beats VD up to 80%", "mp − vd") == FAILS


def test_larger_layers(results):
    layers = results.tables["vd/layers"]
    larger = with_table(results, "vd/layers", sparsity=np.log(layers["weights"]))
    assert verdict(larger, "the larger are sparser", "vd") == HOLDS
    smaller = with_table(results, "vd/layers", sparsity=-np.log(layers["weights"]))
    assert verdict(smaller, "the larger are sparser", "vd") == FAILS


def test_friendly_and_hard(results):
    above_zero, around_zero = {"low": 1.0, "high": 2.0}, {"low": -1.0, "high": 1.0}
    by_chance, by_training = (
        {f"control_{name}": value for name, value in one.items()} for one in (around_zero, above_zero)
    )
    assert verdict(with_table(results, "mp/response", **above_zero, **by_chance), "friendly", "mp") == HOLDS
    assert verdict(with_table(results, "mp/response", **around_zero, **by_training), "friendly", "mp") == FAILS
    assert verdict(with_table(results, "mp/response", **above_zero, **by_training), "friendly", "mp") == OPEN


def test_friendliness_by_a_method_without_controls_is_compared_with_those_of_mp(results):
    above_zero = with_table(results, "vd/response", low=1.0, high=2.0)
    mp = results.tables["mp/response"]
    assert verdict(with_table(above_zero, "mp/response", control_low=-1.0, control_high=1.0), "friendly", "vd") == HOLDS
    alone = replace(
        above_zero, tables={**above_zero.tables, "mp/response": mp.drop(columns=["control_low", "control_high"])}
    )
    assert verdict(alone, "friendly", "vd") == OPEN
    assert isinstance(findings_table([]), pd.DataFrame)
