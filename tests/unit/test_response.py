import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as npst

from synthetic import make_labels, make_models, make_predictions, make_results, make_shard, make_zoo
from zootwins.analyses import response
from zootwins.analyses.rank_stability import factor_table
from zootwins.analyses.response import rank_change_table, rank_changes, twin_predictions

correct = npst.arrays(bool, (5, 8))


@settings(deadline=None)
@given(correct, correct)
def test_ranks_are_a_permutation_and_changes_cancel(original, twin):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(response, "RESAMPLES", 50)
        table = rank_changes(original, twin)
    assert table["original_rank"].sum() == table["twin_rank"].sum() == 15
    assert table["rank_change"].sum() == 0
    assert (table["low"] <= table["high"]).all()


def test_a_twin_like_its_original_has_not_moved():
    original = np.random.default_rng(0).random((6, 200)) < np.linspace(0.3, 0.9, 6)[:, None]
    table = rank_changes(original, original)
    assert (table[["rank_change", "low", "high"]] == 0).all(axis=None)


def test_a_clear_change_is_told_from_chance():
    rng = np.random.default_rng(1)
    shares = np.array([0.9, 0.5, 0.52, 0.3])
    original = rng.random((4, 500)) < shares[:, None]
    twin = rng.random((4, 500)) < shares[[3, 1, 2, 0]][:, None]  # best and worst change places
    table = rank_changes(original, twin)
    assert table["original_rank"].tolist()[::3] == [4, 1]
    assert table["rank_change"].tolist()[::3] == [-3, 3]
    assert table["high"].iloc[0] < 0 < table["low"].iloc[3]
    assert (table["low"].iloc[[1, 2]] <= 0).all()
    assert (table["high"].iloc[[1, 2]] >= 0).all()
    pd.testing.assert_frame_equal(table, rank_changes(original, twin))


def test_predictions_at_an_operating_point(tmp_path):
    models = make_models(4)
    shards = [make_shard(tmp_path / f"{i}.safetensors", "mp", models.iloc[2 * i : 2 * i + 2]) for i in range(2)]
    predictions, index = twin_predictions(shards, make_zoo().point("mp", 70))
    assert index.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(predictions[2], shards[1].tensor("predictions")[0, 2, 1])


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return make_results(tmp_path_factory.mktemp("twins"))


def test_friendliest_first(results):
    table = rank_change_table([results])
    for _, group in table.groupby("method"):
        assert group["rank_change"].is_monotonic_decreasing
        assert sorted(group["index"]) == list(range(14))
    row = table.iloc[0]
    assert row["activation"] == results.models.set_index("index").loc[row["index"], "activation"]


def test_factor_that_decides_is_found(results):
    changes = results.tables["mp/response"].copy()
    changes["rank_change"] = np.where(results.models["optimizer"] == "adam", 3.0, -3.0)
    decided = factor_table([type(results)(results.zoo, results.models, {"mp/response": changes})])
    effects = decided.set_index("factor")
    assert set(effects.index) == {"activation", "optimizer", "dropout"}  # the others do not vary
    assert effects.loc["optimizer", "epsilon_squared"] == pytest.approx(1)
    assert effects.loc["optimizer", ["friendliest", "hardest"]].tolist() == ["adam", "sgd"]
    assert effects.loc["activation", "p"] > 0.5


def with_changes(results, changes, models):
    table = results.tables["mp/response"].head(models).assign(rank_change=changes)
    return factor_table([type(results)(results.zoo, results.models, {"mp/response": table})]).set_index("factor")


def test_effect_size_is_epsilon_squared(results):
    """By hand: sgd ranks 3, 4 and adam 1, 2; H = 12/20 · (3²/2 + 7²/2) − 3 · 5 = 2.4 of n − 1 = 3."""
    effects = with_changes(results, [1.0, 2.0, 3.0, 4.0], 4)
    assert effects.loc["optimizer", "epsilon_squared"] == pytest.approx(2.4 / 3)
    assert effects.loc["activation", "epsilon_squared"] == pytest.approx(0.6 / 3)


def test_as_many_levels_as_models(results):
    effects = with_changes(results, [-1.0, 1.0], 2)
    assert effects.loc["activation", ["levels", "models"]].tolist() == [2, 2]
    assert effects.loc["activation", "epsilon_squared"] == pytest.approx(1)
    assert np.isnan(with_changes(results, [0.0, 0.0], 2).loc["activation", "epsilon_squared"])


def test_each_twin_is_held_against_its_own_original(tmp_path, monkeypatch):
    """Originals stand in the order of their own file, and those that the run does not take are there too."""
    monkeypatch.setattr(response, "RESAMPLES", 50)
    models, zoo = make_models(4), make_zoo()
    shards = [make_shard(tmp_path / f"{i}.safetensors", "mp", models.iloc[2 * i : 2 * i + 2]) for i in range(2)]
    point, control = zoo.point("mp", 70), zoo.point("mp", 0)
    twins, _ = twin_predictions(shards, point)
    unpruned, _ = twin_predictions(shards, control)
    originals, labels = make_predictions(make_models(6))[0], make_labels()
    order = np.array([5, 3, 0, 2, 4, 1])
    found = response.response(shards, point, control, originals[order], order, labels)
    expected = rank_changes(originals[:4] == labels, twins == labels)
    bounds = rank_changes(originals[:4] == labels, unpruned == labels)
    assert found["index"].tolist() == [0, 1, 2, 3]
    pd.testing.assert_frame_equal(found[expected.columns], expected)
    np.testing.assert_array_equal(found[["control_low", "control_high"]], bounds[["low", "high"]])
    without = response.response(shards, point, None, originals[order], order, labels)
    assert "control_low" not in without
