"""The benchmark scores what it says, siblings never cross a split, and baselines run on every task."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from synthetic import make_models, make_zoo
from test_publishing import release  # noqa: F401, a fixture
from zootwins import benchmark
from zootwins.analyses.results import ZooResults
from zootwins.benchmark import baselines, hyper_representation
from zootwins.benchmark.baselines import BASELINES, predict, weight_statistics
from zootwins.benchmark.leaderboard import arrange_leaderboard, leaderboard, leaderboard_table, score_baselines
from zootwins.benchmark.tasks import prunable, tau_ceiling
from zootwins.publishing.loading import load
from zootwins.run.errors import InputError

REGRESSIONS = ("accuracy", "sparsity", "twin_accuracy")


@pytest.fixture(scope="module")
def zoo(release):  # noqa: F811
    return load(release[0])


def truth(task: benchmark.Task) -> np.ndarray:
    """Predictions that cannot be better."""
    targets = task.targets[task.test]
    if task.id == "original":
        return (targets[:, None] == np.unique(targets)).astype(float)
    if task.id == "mask":
        return (task.zoo.vectors(targets)[:, prunable(task.zoo)].numpy() == 0).astype(float)
    return targets


@pytest.mark.parametrize("name", benchmark.TASKS)
@pytest.mark.parametrize("repetition", [0, 1])
def test_no_original_is_in_two_splits(zoo, name, repetition):
    task = benchmark.get_task(name, zoo, repetition)
    originals = zoo.index["original"].to_numpy()[task.inputs]
    seen = pd.crosstab(originals, task.split) > 0
    assert (seen.sum(axis=1) == 1).all()
    assert set(np.concatenate([task.train, task.validation, task.test])) == set(range(len(task.inputs)))


def test_repetitions_differ_and_zero_is_the_frozen_one(zoo):
    splits = [benchmark.get_task("accuracy", zoo, repetition).split for repetition in range(3)]
    assert (splits[0] == zoo.index["split"].to_numpy()).all()
    assert (splits[1] != splits[0]).any()
    assert (splits[1] != splits[2]).any()


@pytest.mark.parametrize("name", [name for name in benchmark.TASKS if name != "twin_collapse"])
def test_perfect_predictions_score_one(zoo, name):
    task = benchmark.get_task(name, zoo)
    scores = benchmark.evaluate(task, truth(task))
    best = {key: value for key, value in scores.items() if key != "kendall_tau_ceiling"}
    assert best == pytest.approx(dict.fromkeys(best, 1.0))


@pytest.mark.parametrize("name", REGRESSIONS)
def test_regression_scores_are_scipys(zoo, name):
    task = benchmark.get_task(name, zoo)
    targets = task.targets[task.test].astype(float)
    predictions = targets + np.random.default_rng(0).normal(0, 0.1, len(targets))
    scores = benchmark.evaluate(task, predictions)
    assert scores["kendall_tau"] == pytest.approx(stats.kendalltau(targets, predictions).statistic)
    assert scores["r2"] == pytest.approx(1 - ((targets - predictions) ** 2).mean() / targets.var())


def test_ties_cap_tau_at_the_ceiling():
    targets = np.array([0.1, 0.1, 0.1, 0.5, 0.7])
    untied = np.array([1.0, 2.0, 3.0, 4.0, 5.0])  # the best order without ties
    assert tau_ceiling(targets) == pytest.approx(stats.kendalltau(targets, untied).statistic)
    assert tau_ceiling(np.arange(5.0)) == 1


def test_retrieval_counts_ranks(zoo):
    task = benchmark.get_task("original", zoo)
    candidates = np.unique(task.targets[task.test])
    wrong = (task.targets[task.test][:, None] != candidates).astype(float)
    scores = benchmark.evaluate(task, wrong)
    assert scores["top_1"] == 0
    assert scores["mean_reciprocal_rank"] == pytest.approx(1 / len(candidates))
    assert benchmark.evaluate(task, np.zeros_like(wrong))["mean_reciprocal_rank"] == pytest.approx(
        2 / (len(candidates) + 1)  # all equal: the mean rank
    )


def test_twins_keep_what_they_are_asked_for(zoo):
    task = benchmark.get_task("twin_accuracy", zoo)
    assert (zoo.index["method"].to_numpy()[task.inputs] == "original").all()
    assert set(task.conditions) >= {"mp 80, epoch 3", "vd 5, epoch 5"}


def test_statistics_are_numpys(zoo):
    statistics = weight_statistics(zoo, np.array([2]))
    weight = zoo.parameters(2)["conv1.weight"].double().numpy().ravel()
    expected = [weight.mean(), weight.var(), *np.percentile(weight, (0, 25, 50, 75, 100))]
    assert statistics[0, :7] == pytest.approx(expected)


@pytest.fixture(autouse=True)
def short_training(monkeypatch):
    monkeypatch.setattr(
        hyper_representation, "SETTINGS", hyper_representation.SETTINGS.model_copy(update={"epochs": 1, "dimension": 8})
    )


def test_latent_vectors_are_of_the_networks_that_are_asked_for(zoo):
    training, asked = np.arange(10), np.array([40, 3])
    both = hyper_representation.latent_vectors(zoo, training, asked)
    one = hyper_representation.latent_vectors(zoo, training, asked[1:])
    assert both.shape == (2, hyper_representation.SETTINGS.latent)
    assert both[1] == pytest.approx(one[0], abs=1e-5)
    assert (both[0] != both[1]).any()


def test_a_baseline_that_does_not_fit_the_networks_is_left_out_with_a_line(zoo, monkeypatch, caplog):
    def refuse(task, baseline):
        if baseline == "zeros":
            raise InputError("no chain")
        return predict(task, baseline)

    monkeypatch.setattr("zootwins.benchmark.tasks.TASKS", {"sparsity": benchmark.TASKS["sparsity"]})
    monkeypatch.setattr("zootwins.benchmark.baselines.predict", refuse)
    scores = score_baselines(zoo, splits=1)
    assert set(scores["baseline"]) == {"mean", "statistics"}
    assert "sparsity by zeros, split 0: left out (no chain)" in caplog.text


@pytest.mark.parametrize(("name", "baseline"), [(name, one) for name, own in BASELINES.items() for one in own])
def test_baselines_predict_every_test_item(zoo, name, baseline):
    task = benchmark.get_task(name, zoo)
    scores = benchmark.evaluate(task, predict(task, baseline))
    assert scores


def prior_one_by_one(task, items):
    """The mean mask of the other training items of the same kind, or of all training items where there are none."""
    masks = task.zoo.vectors(task.targets[task.train])[:, prunable(task.zoo)].numpy() == 0
    alike = task.conditions[task.train] == task.conditions[items][:, None]
    others = alike & (task.train != items[:, None])
    return np.stack([masks[those if those.any() else slice(None)].mean(0) for those in others])


def test_the_prior_of_a_mask_is_that_of_the_others_alike(zoo, monkeypatch):
    task = benchmark.get_task("mask", zoo)
    conditions = task.conditions.copy()
    conditions[[task.train[0], task.test[0]]] = "the only one", "none in training"
    task = replace(task, conditions=conditions)
    for items in (task.train, task.test):
        prior = baselines._prior_of_items(task, items)
        assert prior.dtype == np.float32
        np.testing.assert_array_equal(prior, prior_one_by_one(task, items).astype(np.float32))
    monkeypatch.setattr(baselines, "_MASK_WEIGHTS", 20_000)
    trees, scores = predict(task, "boosted trees"), benchmark.evaluate(task, predict(task, "prior"))
    monkeypatch.setattr(baselines, "_prior_of_items", prior_one_by_one)  # in float64
    np.testing.assert_array_equal(trees, predict(task, "boosted trees"))
    assert scores == benchmark.evaluate(task, predict(task, "prior"))


def test_zeros_show_the_sparsity(zoo):
    task = benchmark.get_task("sparsity", zoo)
    assert benchmark.evaluate(task, predict(task, "zeros"))["r2"] > 0.99


def test_a_leaderboard_has_intervals_over_splits(zoo, monkeypatch):
    """Of Nadeau and Bengio: the splits share originals, 15 % of which are for tests and 70 % for training."""
    monkeypatch.setattr("zootwins.benchmark.tasks.TASKS", {"sparsity": benchmark.TASKS["sparsity"]})
    scores = score_baselines(zoo, splits=3)
    table = leaderboard(scores).set_index(["baseline", "metric"])
    values = scores[(scores["baseline"] == "statistics") & (scores["metric"] == "r2")]["value"]
    row = table.loc[("statistics", "r2")]
    error = ((1 / 3 + 0.15 / 0.70) * values.var(ddof=1)) ** 0.5
    low, high = stats.t.interval(0.95, 2, values.mean(), error)
    assert (row["low"], row["high"]) == pytest.approx((low, high))
    assert row["frozen_split"] == values.iloc[0]
    assert row["splits"] == 3


@pytest.mark.parametrize(
    ("predictions", "message"), [(np.zeros(3), "3 predictions for"), (np.full(10_000, np.nan), "not finite")]
)
def test_predictions_that_do_not_fit_are_refused(zoo, predictions, message):
    task = benchmark.get_task("accuracy", zoo)
    predictions = predictions if len(predictions) == 3 else predictions[: len(task.test)]
    with pytest.raises(InputError, match=message):
        benchmark.evaluate(task, predictions)


def test_an_unknown_task_lists_the_known(zoo):
    with pytest.raises(InputError, match="task: 'speed' is unknown; choose accuracy"):
        benchmark.get_task("speed", zoo)


def test_the_table_of_a_leaderboard_is_text(zoo, monkeypatch):
    monkeypatch.setattr("zootwins.benchmark.tasks.TASKS", {"accuracy": benchmark.TASKS["accuracy"]})
    results = ZooResults(make_zoo("mini"), make_models(), {"benchmark": score_baselines(zoo, splits=2)})
    table = leaderboard_table([results])
    assert set(table["zoo"]) == {"mini"}
    taus = table[table["metric"] == "kendall_tau"]
    assert taus["ceiling"].notna().all()
    grid = arrange_leaderboard(table)
    assert len(grid) == len(table)
    assert grid.index.names == ["Zoo", "Task", "Baseline", "Metric"]
