"""Tables, claims and figures of transfer, on a made-up zoo that is known to lose 2 points in linear transfer."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from synthetic import make_models, make_transfer, make_zoo
from zootwins.analyses import intervals
from zootwins.analyses.results import ZooResults
from zootwins.catalogue.experiments import get_experiment, tables
from zootwins.experiments.transfer import transfer_findings
from zootwins.experiments.transfer.outcomes import error_increase, main_outcomes, outcomes
from zootwins.experiments.transfer.transfer_findings import findings_table
from zootwins.experiments.transfer.transfer_tables import (
    correlation_table,
    paired_table,
    reference_table,
    transfer_table,
)

# `transfer_kinds` is of methods that the made-up zoo lacks (test_transfer_kinds.py)
TRANSFER = [table.name for table in get_experiment("transfer").tables if table.name != "transfer_kinds"]


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    monkeypatch.setattr(intervals, "RESAMPLES", 200)


@pytest.fixture(scope="module")
def results() -> ZooResults:
    models = make_models()
    return ZooResults(make_zoo(), models, {"transfer": make_transfer(models)})


def row_of(table: pd.DataFrame, **keys) -> pd.Series:
    for name, value in keys.items():
        table = table[table[name] == value]
    assert len(table) == 1, table
    return table.iloc[0]


def test_outcomes_are_means_over_restarts_after_the_last_epoch(results):
    rows = results.tables["transfer"].query("task == 'digits' and mode == 'full' and method == 'vd' and epoch == 2")
    expected = rows.groupby("index")["accuracy"].mean()
    table = main_outcomes(results).query("task == 'digits' and mode == 'full' and method == 'vd'").set_index("index")
    np.testing.assert_allclose(table["accuracy"], expected)
    np.testing.assert_allclose(table["change"], table["accuracy"] - table["control"])
    assert set(table["restarts"]) == {2}
    deviation = rows.groupby("index")["accuracy"].std()
    np.testing.assert_allclose(table["restart_std"], deviation)


def test_the_original_is_the_control_where_nothing_was_magnitude_pruned(results):
    rows = results.tables["transfer"]
    bare = ZooResults(
        results.zoo, results.models, {"transfer": rows[~rows["method"].isin(["mp", "mp_random", "mp_scratch"])]}
    )
    table = outcomes(bare)
    assert (table.loc[table["method"] == "original", "change"] == 0).all()
    assert (table.loc[table["method"] == "untrained", "change"] != 0).any()
    assert "vd" in set(findings_table([bare])["method"])


def test_increase_in_error_is_relative_to_the_controls():
    assert error_increase(np.array([0.6, 0.8]), np.array([0.7, 0.9])) == pytest.approx((0.3 - 0.2) / 0.2)
    assert error_increase(np.array([0.9, 0.9]), np.array([1.0, 1.0])) == np.inf


def test_tables_have_the_differences_that_were_made(results):
    fc1 = {"zoo": "mini", "task": "digits", "mode": "linear", "layer": "fc1", "solver": "sgd"}
    paired = paired_table([results])
    twin = row_of(paired, **fc1, method="mp", point=80)
    assert twin["mean"] == pytest.approx(-2, abs=0.2)
    assert twin["low"] < -2 + 0.3
    assert twin["better"] == 0
    assert twin["models"] == 14
    assert paired[(paired["method"] == "mp") & (paired["point"] == 0)].empty
    table = transfer_table([results])
    dense, sparse = (row_of(table, **fc1, method="mp", point=point) for point in (0, 80))
    increase = (dense["mean"] - sparse["mean"]) / (100 - dense["mean"])
    assert sparse["error_increase"] == pytest.approx(100 * increase)
    assert sparse["error_increase_low"] <= sparse["error_increase"] <= sparse["error_increase_high"]
    assert set(table["layer"]) == {"fc1", "conv3", "all"}
    assert (table.loc[table["mode"] == "full", "restarts"] == 2).all()


def test_correlation_knows_who_was_good_upstream(results):
    table = correlation_table([results])
    good = row_of(table, task="digits", mode="linear", method="mp", point=80, quantity="accuracy")
    assert good["tau"] > 0.8
    assert good["models"] == 14
    assert row_of(table, task="digits", mode="both", method="mp", point=80, quantity="linear and full")["tau"] > 0.8
    assert set(table["method"]) == {"original", "mp", "vd", "mp_random"}  # nobody knows the others' accuracy upstream


def test_equal_changes_are_ties(results):
    """0.9 - 0.8 and 0.8 - 0.7 are not equal as floating-point numbers."""
    table, models = results.tables["transfer"].copy(), results.tables["transfer"]["index"]
    first, second = (0.9, 0.8), (0.8, 0.7)
    twin, dense = ((table["method"] == "mp") & (table["point"] == point) for point in (80, 0))
    for rows, column in ((twin, 0), (dense, 1)):
        table.loc[rows, "accuracy"] = [(first if model % 2 else second)[column] for model in models[rows]]
    level = replace(results, tables={"transfer": table})
    keys = {"task": "digits", "mode": "linear", "method": "mp", "point": 80}
    assert np.isnan(row_of(correlation_table([level]), **keys, quantity="change")["tau"])
    assert row_of(correlation_table([level]), **keys, quantity="accuracy")["tau"] != 0


def test_the_references_numbers_stand_beside_ours(results):
    table = reference_table([results])
    theirs = table[table["zoo"] == "resnet50_imagenet"]
    assert len(theirs) == 38
    best = row_of(theirs, method="AC/DC", mode="linear", sparsity=80)
    assert (best["error_increase"], best["better"], best["n"]) == (-3.2, 75.0, 12)
    assert theirs.loc[theirs["sparsity"] == 98, "better"].isna().all()
    assert "mp" in set(table.loc[table["zoo"] == "mini", "method"])


def test_the_claims_are_told_as_they_were_made(results):
    table = findings_table([results])
    digits = table[table["task"] == "digits"]

    def verdict(claim, mode, method, text=""):
        rows = digits[(digits["claim"] == claim) & (digits["mode"] == mode) & (digits["method"] == method)]
        (one,) = rows[rows["finding"].str.contains(text)]["verdict"]
        return one

    assert verdict(1, "linear", "mp", "lose less") == "does not hold"  # 2 points, of a margin of 1
    assert verdict(1, "linear", "mp", "gain") == "does not hold"
    assert verdict(2, "full", "mp") == "holds"
    assert verdict(3, "both", "vd − mp") == "holds"  # −1 + 1.75 in linear, −5 + 3.5 in full transfer
    assert verdict(4, "linear", "mp", "controls") == "holds"
    assert verdict(6, "linear", "mp − mp_random", "better than random ones, 80 %") == "holds"
    assert verdict(6, "full", "mp − mp_scratch", "from scratch, dense") == "holds"
    assert verdict(6, "full", "mp − mp_scratch", "from scratch, 80 %") == "holds"
    assert verdict(6, "linear", "mp − untrained") == "holds"
    assert verdict(8, "full", "mp") == "holds"
    assert set(table.loc[table["claim"] == 7, "verdict"]) == {"inconclusive"}  # two tasks
    shuffled = table[table["task"] == "digits-shuffled"]
    assert set(shuffled["claim"]) == {6}
    assert set(shuffled["verdict"]) == {"holds"}
    assert shuffled["finding"].str.startswith("on shuffled pixels by less than 1 point").all()
    assert set(table["claim"]) == {1, 2, 3, 4, 5, 6, 7, 8}


def test_claims_are_told_where_all_pruned_twins_are_missing(results):
    """As where they diverged; random masks are then beside nothing."""
    rows = results.tables["transfer"]
    changed = replace(results, tables={"transfer": rows[~((rows["method"] == "mp") & (rows["point"] > 0))]})
    table = findings_table([changed])
    beside = table[table["finding"].str.contains("better than random ones") & (table["task"] == "digits")]
    assert (len(beside) > 0, set(beside["models"]), set(beside["verdict"])) == (True, {0}, {"inconclusive"})


def test_claims_on_controls_name_the_controls(results):
    rows = results.tables["transfer"]
    changed = replace(results, tables={"transfer": rows[~rows["method"].str.startswith("mp")]})
    table = findings_table([changed])
    assert set(table.loc[table["finding"].str.contains("controls"), "method"]) == {"original"}


def test_correlations_are_of_the_models_that_have_both(results):
    rows = results.tables["transfer"]
    twin = (rows["method"] == "vd") & (rows["index"] == rows["index"].iloc[0]) & (rows["mode"] == "linear")
    changed = replace(results, tables={"transfer": rows.assign(accuracy=rows["accuracy"].mask(twin))})
    (before, after) = (
        correlation_table([one]).query("method == 'vd' and quantity == 'linear and full' and task == 'digits'")
        for one in (results, changed)
    )
    assert (after["models"] == before["models"].to_numpy() - 1).all()
    assert after["tau"].notna().all()


def test_at_equal_sparsity_means_within_the_others_range():
    """Twins that none of the other method's is about as sparse as do not count; half a percent beyond its end does."""
    made = {"vd": [(0.3, 0.9), (0.6, 0.5), (0.904, 0.4), (0.95, 0.9)], "mp": [(0.5, 0.4), (0.7, 0.2), (0.9, 0.1)]}
    rows = [
        {"mode": "linear", "method": method, "index": 7, "point": at, "sparsity": at, "accuracy": accuracy}
        for method, twins in made.items()
        for at, accuracy in twins
    ]
    differences = transfer_findings._less_at_equal_sparsity(pd.DataFrame(rows), "linear", "vd", "mp")
    assert differences.to_dict() == {7: pytest.approx(((0.5 - 0.3) + (0.4 - 0.1)) / 2)}


def test_networks_without_an_accuracy_are_left_out(results):
    """As of a network that diverged there is no exact optimum; of its control, no difference to it either."""
    rows = results.tables["transfer"].copy()
    exact, vd = rows["solver"] == "exact", rows["method"] == "vd"
    control = (rows["method"] == "mp") & (rows["point"] == 0)
    rows.loc[exact & (vd & (rows["index"] == 3) | control & (rows["index"] == 4)), "accuracy"] = np.nan
    table = transfer_table([ZooResults(results.zoo, results.models, {"transfer": rows})])
    table = table[(table["task"] == "digits") & (table["solver"] == "exact")]
    assert row_of(table, method="vd")["models"] == 12
    assert row_of(table, method="mp", point=80)["models"] == 13
    shown = ["mean", "low", "error_increase", "error_increase_low"]
    assert table[shown].notna().all(axis=None)


def test_difficulty_is_tested_from_six_tasks_on():
    models = make_models()
    tasks = tuple(f"task{number}" for number in range(6))
    many = ZooResults(make_zoo(), models, {"transfer": make_transfer(models, tasks=tasks)})
    tested = findings_table([many]).query("claim == 7")
    assert set(tested["models"]) == {6}
    assert tested["value"].notna().all()


@pytest.mark.parametrize("name", TRANSFER)
def test_every_table_can_be_shown(results, name):
    table = tables()[name].make([results])
    grid = tables()[name].arrange(table, {"mini": "Made up"})
    assert len(grid) == len(table)
    assert "Made up" in grid.index.get_level_values("Zoo")
    assert not grid.isin(["nan"]).any(axis=None)
