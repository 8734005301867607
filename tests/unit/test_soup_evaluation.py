"""What is said of soups' networks: measures by hand, ensembles, barriers, and shifted images."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from test_soups import ENGINE, SETTINGS, cook, data_of, originals
from zootwins.experiments.soups import gains
from zootwins.experiments.soups.evaluation import (
    ArmShards,
    Predictions,
    barrier,
    look,
    pair_scores,
    scores,
    shifted_scores,
    with_shifted,
)
from zootwins.experiments.soups.gains import calibration_error, class_recalls, noise_of_gains, noise_table, quality
from zootwins.experiments.soups.phases import as_population, axes_of
from zootwins.experiments.soups.recipes import Recipe
from zootwins.images.corruptions import ShiftedSet
from zootwins.storage.shards import Trajectory, read_shard, write_trajectory


@pytest.fixture(scope="module")
def data():
    return data_of(originals())


@pytest.fixture(scope="module")
def arm_shards(tmp_path_factory):
    recipe, of = Recipe.of(SETTINGS, "lr", 3), originals()
    shards = {}
    for arm, trajectory in cook(variant="lr").items():
        path = tmp_path_factory.mktemp(arm) / "0000-0002.safetensors"
        write_trajectory(path, arm, trajectory, of.models, of.index, axes=axes_of(recipe, trajectory))
        shards[arm] = read_shard(path)
    return ArmShards(shards, of)


@pytest.fixture(scope="module")
def table(arm_shards, data):
    return scores(ENGINE, arm_shards, data.test)


def test_a_shard_without_models_has_empty_tables(tmp_path, data):
    """All of its models were excluded."""
    recipe, of, shards = Recipe.of(SETTINGS, "lr", 3), originals(()), {}
    for arm, trajectory in cook(of, variant="lr").items():
        path = tmp_path / f"{arm}.safetensors"
        write_trajectory(path, arm, trajectory, [], [], axes=axes_of(recipe, trajectory))
        shards[arm] = read_shard(path)
    empty = ArmShards(shards, of)
    table = scores(ENGINE, empty, data.test)
    found = shifted_scores(ENGINE, empty, [ShiftedSet("gaussian_noise", 3, data.test)], table)
    assert (len(table), len(found), len(pair_scores(ENGINE, empty, data))) == (0, 0, 0)
    assert with_shifted(table, found).empty
    assert with_shifted(table, shifted_scores(ENGINE, empty, [], table)).empty  # no shifted images either


def test_calibration_error_by_hand():
    confidence = np.array([[0.95, 0.96, 0.20, 0.21, 1.0]])
    right = np.array([[True, False, True, False, True]])
    # bins of a fifteenth: (0.933, 1] holds 0.95, 0.96, 1; (0.133, 0.2] holds 0.20; (0.2, 0.267] holds 0.21
    expected = (abs(2 - 2.91) + abs(1 - 0.20) + abs(0 - 0.21)) / 5
    assert calibration_error(confidence, right) == pytest.approx([expected])


def test_recalls_by_hand():
    labels = np.array([0, 0, 1, 1, 1, 3])
    assert class_recalls(np.array([0, 1, 1, 1, 3, 3]), labels).tolist() == [0.5, pytest.approx(2 / 3), 1.0]
    probabilities = np.full((6, 4), 0.25)
    found = quality(np.array([0, 1, 1, 1, 3, 3]), probabilities, labels)
    assert (found["worst_class"], found["recall_spread"]) == (0.5, 0.5)
    assert found["test_loss"] == pytest.approx(np.log(4))
    assert not found["collapsed"]
    assert quality(np.full((1, 6), 3), probabilities[None], labels)["collapsed"].tolist() == [True]
    assert found["test_accuracy"] == pytest.approx(4 / 6)


def test_an_ensemble_is_the_mean_of_probabilities_not_of_votes():
    probabilities = np.array([[0.51, 0.49], [0.51, 0.49], [0.0, 1.0]])[None, None, :, None]
    predicted = Predictions(probabilities.argmax(-1), probabilities)
    assert predicted.ensemble().predictions.tolist() == [[[[1]]]]


def test_scores_are_those_of_the_shards(arm_shards, table, data):
    for arm in ("soup", "member"):
        rows = table[(table["arm"] == arm) & (table["phase"] == 2) & (table["goal"] == 0.9)]
        stored = arm_shards.tensor(arm, "test_accuracy", 2)[:, 1].flatten().numpy()
        np.testing.assert_allclose(rows["test_accuracy"], stored, atol=1e-6)
        assert rows["sparsity"].to_numpy() == pytest.approx(0.9, abs=1e-3)
        assert rows["member"].tolist() == ([1, 2, 3] * 3 if arm == "member" else [0] * 3)
    assert len(table) == 3 * 2 * 2 * (3 + 1 + 1 + 4)
    assert table["norm_drop"].between(0, 1).all()


def test_the_best_is_chosen_on_validation_images(table):
    keys = ["index", "goal", "phase"]
    members = table[table["arm"] == "member"]
    for key, part in members.groupby(keys):
        of_key = table[(table[keys] == list(key)).all(axis=1)].set_index("arm")
        best = part.loc[part["validation_accuracy"].idxmax()]
        assert of_key.loc["best_member", "member"] == best["member"]
        assert of_key.loc["best_member", "test_accuracy"] == best["test_accuracy"]
        assert of_key.loc["best_by_test", "test_accuracy"] == part["test_accuracy"].max()
        assert of_key.loc["mean_member", "ece"] == pytest.approx(part["ece"].mean())


def test_ensembles_of_the_networks(arm_shards, table, data):
    predicted = look(ENGINE, arm_shards, "member", 2, data.test)
    mean = predicted.probabilities[0, 0].mean(0)
    accuracy = (mean.argmax(1) == data.test.labels.numpy()).mean()
    row = table[(table["arm"] == "ensemble") & (table["index"] == 0) & (table["goal"] == 0.6) & (table["phase"] == 2)]
    assert row["test_accuracy"].item() == pytest.approx(accuracy)


def test_pairs_lie_on_the_line(arm_shards, data):
    pairs = pair_scores(ENGINE, arm_shards, data)
    assert len(pairs) == 3 * 2 * 2 * 2
    row = pairs.query("index == 1 and goal == 0.9 and phase == 2 and member == 3").squeeze()
    networks = arm_shards.networks("member", 2)
    ends = [{name: tensor[1:2, 1:2, run : run + 1] for name, tensor in networks.items()} for run in (0, 2)]
    distance = sum((ends[1][name] - ends[0][name]).double().square().sum() for name in networks).sqrt()
    assert row["distance"] == pytest.approx(distance.item())
    of = originals((1,))
    middle = {name: (ends[0][name] + ends[1][name]) / 2 for name in networks}
    accuracy = ENGINE.evaluate(as_population(of.architecture, middle, of.factors), data.test).accuracy.item()
    assert row["line_5"] == pytest.approx(accuracy, abs=0.04)  # an image of 30 may be on the edge
    line = row[[f"line_{point}" for point in range(11)]].astype(float)
    assert row["barrier"] == pytest.approx(barrier(line.to_numpy()))
    predictions = arm_shards.tensor("member", "predictions", 2)[1, 1]
    assert row["agreement"] == pytest.approx((predictions[0] == predictions[2]).double().mean().item())


def test_a_barrier_is_what_the_line_between_the_ends_loses():
    assert barrier(np.array([0.9, 0.2, 0.7])) == pytest.approx(0.6)
    assert barrier(np.linspace(0.9, 0.1, 11)) == pytest.approx(0)  # unequal ends alone are none
    assert barrier(np.array([[0.5, 0.5], [0.6, 0.4], [0.5, 0.5]])) == pytest.approx([0, 0.1])


def test_shifted_scores_are_of_the_last_phase(arm_shards, table, data):
    sets = [ShiftedSet("noise", 1, data.test), ShiftedSet("usps", 0, data.validation)]
    shifted = shifted_scores(ENGINE, arm_shards, sets, table)
    same = shifted[shifted["set"] == "noise"].set_index(["arm", "index", "goal"])["accuracy"]
    last = table[table["phase"] == 2].set_index(["arm", "index", "goal"])["test_accuracy"]
    for arm in ("soup", "greedy", "mean_member", "best_member", "ensemble"):
        np.testing.assert_allclose(same[arm].sort_index(), last[arm].sort_index(), atol=1e-12)
    joined = with_shifted(table, shifted)
    soups = joined[joined["arm"] == "soup"]
    assert soups.loc[soups["phase"] == 1, "shifted_accuracy"].isna().all()
    ends = soups[soups["phase"] == 2]
    assert ends["shifted_accuracy"].to_numpy() == pytest.approx(ends["test_accuracy"].to_numpy())
    assert with_shifted(table, shifted_scores(ENGINE, arm_shards, (), table))["shifted_accuracy"].isna().all()


def test_noise_is_that_of_the_last_phase(arm_shards, data):
    labels = data.test.labels.numpy()
    found = noise_table({arm: [shard] for arm, shard in arm_shards.arms.items()}, labels, arm_shards.originals.index)
    assert found["goal"].tolist() == [0.6, 0.9]
    assert set(found["against"]) == {"mean_member"}
    right = {
        arm: (arm_shards.tensor(arm, "predictions", 2)[:, 1] == torch.tensor(labels)).float().numpy()
        for arm in arm_shards.arms
    }
    expected = noise_of_gains(right["soup"][:, 0] - right["member"].mean(1))
    assert found["noise_variance"].iloc[1] == pytest.approx(expected)


def test_networks_that_diverged_are_marked_and_never_chosen(arm_shards, data, tmp_path):
    """Member 2 of the first model has weights that are not finite: so has what is made of it, and nothing else."""
    shards = {}
    for arm, shard in arm_shards.arms.items():
        tensors = {name: shard.tensor(name).clone() for name in shard.shapes}
        if arm == "member":
            tensors["test_loss"][0, 1, 1] = torch.nan
            tensors["validation_accuracy"][0, 1, 1] = 1.0
        trajectory = Trajectory([*shard.states], [*shard.weight_states], [*shard.prediction_states], tensors)
        path = tmp_path / f"{arm}.safetensors"
        write_trajectory(path, arm, trajectory, shard.models, shard.index, axes=shard.axes)
        shards[arm] = read_shard(path)
    broken = ArmShards(shards, arm_shards.originals)
    table = scores(ENGINE, broken, data.test)
    of = table[(table["index"] == broken.first.index[0]) & (table["goal"] == broken.goals[1])]
    lost = of[of["status"] == "diverged"]
    assert set(lost["arm"]) == {"member", "mean_member", "ensemble"}
    assert set(lost.loc[lost["arm"] == "member", "member"]) == {2}
    assert (of.loc[of["arm"] == "best_member", "member"] != 2).all()
    assert (table["status"] == "diverged").sum() == len(lost)
    pairs = pair_scores(ENGINE, broken, data)
    assert set(pairs.loc[pairs["status"] == "diverged", "member"]) == {2}


def test_noise_of_each_soup_is_of_its_own_shards(monkeypatch):
    """Of two numbers of members one begins with the digits of the other."""
    monkeypatch.setattr(gains, "noise_table", lambda arms, *rest: pd.DataFrame({"arms": [arms]}))
    places = [(members, arm, block) for members in (3, 33) for arm in ("soup", "imp_long") for block in range(2)]
    shards = [SimpleNamespace(path=Path(f"soups/zoo/seed-{members}-{arm}/{block}")) for members, arm, block in places]
    found = gains.noise_of_soups(shards, [("seed", 3), ("seed", 33)], np.zeros(2), [0])
    assert found["members"].tolist() == [3, 33]
    assert found["arms"].tolist() == [
        {"soup": shards[:2], "imp_long": shards[2:4]},
        {"soup": shards[4:6], "imp_long": shards[6:]},
    ]
