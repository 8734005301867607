"""The kinds of pruning in transfer: against SciPy and by hand, on made-up results."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from synthetic import make_models, make_zoo
from zootwins.analyses.findings import FAILS, HOLDS
from zootwins.analyses.results import ZooResults
from zootwins.catalogue.experiments import get_experiment
from zootwins.experiments.transfer.transfer_tables import (
    BETTER_IN_LINEAR,
    EXCESS,
    agreement,
    arrange_kinds,
    changes,
    kind_findings,
    kind_of,
    kind_table,
)

MODELS = 12
# What twins of 80 and 90 % lose, in points, in linear and in full transfer.
LOSSES = {"gmp": (1, 3), "woodfisher": (4, 1), "rigl": (2, 2), "imp": (9, 4)}
SWEPT = {10.0: 0.70, 25.0: 0.90}  # sparsity of vd by epoch; it loses 10 points per share of weights in linear transfer


def rows() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    dense = rng.uniform(0.7, 0.8, MODELS)
    found = []

    def add(method, point, sparsity, mode, lost):
        frame = pd.DataFrame({"index": range(MODELS), "accuracy": dense - lost + rng.normal(0, 0.002, MODELS)})
        more = {"method": method, "point": point, "sparsity": sparsity, "mode": mode, "task": "digits", "lr": 0.1}
        more |= {"layer": "fc1" if mode == "linear" else None, "solver": "sgd" if mode == "linear" else None}
        found.append(frame.assign(**more, epoch=3, class_accuracy=0.7, upstream_accuracy=0.7))

    for number, mode in enumerate(("linear", "full")):
        add("mp", 0.0, 0.0, mode, 0.0)
        add("mp", 80.0, 0.8, mode, 0.5)
        for method, losses in LOSSES.items():
            add(method, 0.0, 0.0, mode, 0.2)
            for point in (80.0, 90.0):
                add(method, point, point / 100, mode, losses[number] / 100 * (point / 80) ** 2)
        for point, sparsity in SWEPT.items():
            add("vd", point, sparsity, mode, 0.1 * sparsity * (1 - number))
    return pd.concat(found, ignore_index=True)


@pytest.fixture(scope="module")
def results() -> ZooResults:
    return ZooResults(make_zoo(), make_models(), {"transfer": rows()})


def test_methods_have_the_kinds_of_their_sparsifiers():
    kinds = [kind_of(method) for method in ("acdc", "woodfisher", "rigl", "str", "imp", "mp", "mp_random", "original")]
    assert kinds == ["progressive", "second order", "regrowth", "regularisation", "lottery tickets", None, None, None]


def test_swept_methods_are_interpolated_at_the_sparsity_of_the_others(results):
    table = changes(results).query("method == 'vd' and mode == 'linear' and goal == 80").set_index("index")
    long = results.tables["transfer"].query("mode == 'linear'").set_index("index")
    control = long.query("method == 'mp' and point == 0")["accuracy"]
    ends = [long.query(f"method == 'vd' and point == {point}")["accuracy"] for point in SWEPT]
    expected = (ends[0] + ends[1]) / 2 - control  # 80 % lie half way between 70 and 90
    np.testing.assert_allclose(table["change"], expected)
    assert set(table["sparsity"].round(9)) == {0.8}


def test_a_sparsity_that_a_method_does_not_reach_has_no_row(results):
    long = results.tables["transfer"]
    short = replace(results, tables={"transfer": long[(long["method"] != "vd") | (long["point"] == 10)]})
    assert "vd" not in set(changes(short)["method"])


def test_the_table_is_paired_and_the_excess_is_of_the_same_models(results):
    table = kind_table([results]).set_index(["method", "goal", "mode"])
    assert table.loc["woodfisher", 80, EXCESS]["mean"] == pytest.approx(-3, abs=0.3)
    assert table.loc["gmp", 80, EXCESS]["mean"] == pytest.approx(2, abs=0.3)
    linear, full = (table.loc["imp", 90, mode]["mean"] for mode in ("linear", "full"))
    assert table.loc["imp", 90, EXCESS]["mean"] == pytest.approx(linear - full)
    assert "mp" not in table.index
    assert set(table["models"]) == {MODELS}
    arranged = arrange_kinds(kind_table([results]))
    assert len(arranged) == len(table)
    assert set(arranged.index.get_level_values("Kind")) == set(BETTER_IN_LINEAR)


def test_agreement_is_friedmans_test(results):
    table = changes(results).query(f"goal == 80 and mode == '{EXCESS}'")
    wide = table.pivot_table(index="index", columns="kind", values="change")
    expected = stats.friedmanchisquare(*wide.to_numpy().T)
    w, p = agreement(table)
    assert p == pytest.approx(expected.pvalue)
    assert w == pytest.approx(expected.statistic / (MODELS * (wide.shape[1] - 1)))
    assert 0.5 < w <= 1
    assert np.isnan(agreement(table[table["index"] < 2])).all()


def test_kinds_are_held_against_the_mode_that_the_paper_has_them_better_in(results):
    verdicts = {finding.finding: finding.verdict for _, finding in kind_findings(results)}
    assert verdicts["progressive, 80 %: relatively better in linear transfer than the other kinds"] == HOLDS
    assert verdicts["second order, 80 %: relatively better in full transfer than the other kinds"] == HOLDS
    assert verdicts["lottery tickets, 90 %: relatively better in full transfer than the other kinds"] == HOLDS
    assert verdicts["regularisation, 80 %: relatively better in linear transfer than the other kinds"] == FAILS


def test_the_findings_have_a_ninth_claim(results):
    (table,) = (one for one in get_experiment("transfer").tables if one.name == "transfer_findings")
    assert set(table.make([results]).query("claim == 9")["mode"]) == {"both"}
