from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from synthetic import (
    ARCHITECTURE,
    SETTINGS_OF,
    VD_EPOCHS,
    make_labels,
    make_models,
    make_predictions,
    make_results,
    make_shard,
    make_zoo,
)
from zootwins.analyses import intervals
from zootwins.analyses.hypotheses import (
    COLUMNS,
    EXCLUDED,
    FITS,
    OPEN,
    Evidence,
    arrange_hypotheses,
    beside_paper,
    hypotheses,
    hypothesis_table,
)
from zootwins.analyses.hypothesis_evidence import ROWS, by_method, gather_evidence
from zootwins.analyses.layer_spread import over_filters, over_models, over_weights, pruned_weights
from zootwins.analyses.response import twin_predictions
from zootwins.population import ImageSet
from zootwins.reporting.figures.layer_std import layer_std
from zootwins.run.errors import InputError
from zootwins.sparsifiers.base import Point
from zootwins.storage.shards import Trajectory, read_shard, write_trajectory

LAYERS = ("conv1", "conv2", "conv3", "fc1", "fc2")

PAPER = {
    f"table{number}": pd.read_csv(Path(__file__).parents[2] / f"resources/paper/table{number}.csv")
    for number in (1, 2, 5, 7, 8)
}
POINTS = {"mp": (50, 70, 90, 80), "vd": (VD_EPOCHS,)}  # the last: that of Table 1


@pytest.fixture(scope="module", autouse=True)
def few_resamples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intervals, "RESAMPLES", 50)
        yield


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    folder, zoo = tmp_path_factory.mktemp("twins"), make_zoo()
    models = make_models(zoo.models)
    shards = {method: [make_shard(folder / f"{method}-0000.safetensors", method, models)] for method in zoo.methods}
    results = make_results(folder, zoo)
    return Evidence(
        results,
        make_predictions(models)[0],
        {
            method: twin_predictions(shards[method], zoo.point(method, values[-1]))[0]
            for method, values in POINTS.items()
        },
        {"vd": make_predictions(models)[0]},
        make_labels(),
        {
            method: {
                v: pruned_weights(shards[method], zoo.point(method, v), LAYERS, zoo.methods[method]) for v in values
            }
            for method, values in POINTS.items()
        },
    )


@pytest.fixture(scope="module")
def rows(evidence):
    return hypotheses(evidence, 1000)


def value(rows, **keys):
    chosen = rows
    for key, wanted in keys.items():
        chosen = chosen[chosen[key] == wanted]
    return chosen["value"].item()


def test_every_candidate_is_there_once_with_its_n(rows):
    assert rows.columns.tolist() == COLUMNS
    assert not rows.duplicated(["number", "method", "at", "hypothesis", "quantity"]).any()
    assert (rows["models"] == 14).all()
    finetuned = {"finetuned_accuracy", "finetuned_gap", "finetuned_train_accuracy"}
    assert set(rows["number"]) == {"correlation", "agreement", "layer_std"} | finetuned
    known = rows.dropna(subset=["low", "high"])
    assert (known["low"] <= known["value"] + 1e-9).all()
    assert (known["value"] <= known["high"] + 1e-9).all()


def test_the_captions_are_what_tables_1_and_2_hold(rows, evidence):
    results = evidence.results
    twin = results.at("mp", 80)
    r = np.corrcoef(results.originals["test_accuracy"], twin["test_accuracy"])[0, 1]
    caption = {"method": "mp", "at": "80", "hypothesis": "original and twin (the caption)", "quantity": "pearson_r"}
    assert value(rows, **caption) == pytest.approx(100 * r)
    agreement = 100 * results.at("vd", VD_EPOCHS, "agreement")["agreement"].mean()
    rows = rows[rows["quantity"] == "mean"]
    assert value(rows, method="vd", hypothesis="with its own original (the caption)", quantity="mean") == pytest.approx(
        agreement
    )


def test_agreement_with_others_leaves_the_own_original_out(evidence):
    """Of originals that agree with nobody but their twin, the others' share is 0."""
    classes = np.arange(12, dtype=np.uint8)[:, None].repeat(50, axis=1)
    alone = replace(evidence, originals=classes, twins={"mp": classes, "vd": classes}, noisy={})
    rows = hypotheses(alone, 1000).query("number == 'agreement' and method == 'mp' and quantity == 'mean'")
    assert value(rows, hypothesis="with its own original (the caption)") == 100
    assert value(rows, hypothesis="with another model's original") == 0
    assert value(rows, hypothesis="with the same model's twin by vd") == 100


def test_twins_in_training_mode_are_a_candidate_of_methods_with_noise(rows):
    """Here they are made to predict as their originals do."""
    noisy = rows[rows["hypothesis"].str.contains("in training mode")]
    assert (noisy["method"] == "vd").all()
    assert noisy.set_index("quantity")["value"].to_dict() == {"mean": 100, "std": 0}


def test_train_accuracy_stands_beside_the_sum_of_the_papers_accuracy_and_gap(rows):
    beside = beside_paper(rows, PAPER, "fmnist_s_seed", 1000)
    trained = beside[beside["number"] == "finetuned_train_accuracy"]
    table = PAPER["table5"].query("zoo == 'fmnist_s_seed' and epoch == 15")
    sums = table.groupby("sparsity_percent")["mean"].sum()
    assert len(trained) == 2 * 5  # by the running mean and by the final weights, at the zoo's five percents
    assert trained["paper"].to_numpy() == pytest.approx(trained["at"].astype(float).map(sums).to_numpy())


def test_pooled_correlations_take_all_observations(rows, evidence):
    results = evidence.results
    point = results.zoo.point("mp", 80)
    states = [results.at("mp", point, epoch=epoch) for epoch in range(point.epoch + 1)]
    trains, tests = (np.concatenate([state[f"{split}_accuracy"] for state in states]) for split in ("train", "test"))
    pooled = value(
        rows,
        method="mp",
        hypothesis="twin's train and test accuracy, all epochs pooled",
        quantity="pearson_r",
    )
    assert pooled == pytest.approx(100 * np.corrcoef(trains, tests)[0, 1])


def test_the_gap_by_clean_weights_is_another_than_by_the_running_mean(evidence):
    tables = dict(evidence.results.tables)
    scores = tables["mp/scores"]
    tables["mp/scores"] = scores.assign(eval_mode_train_accuracy=scores["train_accuracy"] + 0.01)
    rows = hypotheses(replace(evidence, results=replace(evidence.results, tables=tables)), 1000)
    running, clean = (
        value(rows, number="finetuned_gap", at="80", hypothesis=f"{train}, less test accuracy")
        for train in ("running mean of the last epoch", "the final weights on the training images")
    )
    assert clean == pytest.approx(running + 1)


def test_pruned_weights_are_those_of_masks_and_of_log_alpha(evidence):
    for percent in POINTS["mp"]:
        pruned = evidence.pruned["mp"][percent]
        assert pruned["fc1"].shape == (14, 20, 36)
        assert pruned["fc1"].mean() == pytest.approx(percent / 100, abs=0.02)
    assert 0 < evidence.pruned["vd"][VD_EPOCHS]["conv2"].mean() < 1


def test_weights_that_were_not_kept_are_told(tmp_path):
    shard = make_shard(tmp_path / "vd.safetensors", "vd", make_models(2))
    last = shard.states[-1:]
    tensors = {name: shard.tensor(name)[:, -1:] if "." in name else shard.tensor(name) for name in shard.shapes}
    trajectory = Trajectory(shard.states, last, shard.prediction_states, tensors)
    write_trajectory(shard.path, "vd", trajectory, shard.models, shard.index)
    settings = SETTINGS_OF["vd"]
    assert pruned_weights([read_shard(shard.path)], Point(last[0], last[0]), ["fc1"], settings)["fc1"].shape[0] == 2
    with pytest.raises(InputError, match="no weights of epoch 1; set keep_states: all"):
        pruned_weights([read_shard(shard.path)], Point(1, 1), ["fc1"], settings)


def test_standard_deviations_of_a_layer_by_hand():
    """Half of the weights go in all models, the others in none: models do not differ, weights do."""
    pruned = np.zeros((10, 4, 6), dtype=bool)
    pruned[:, :2] = True
    assert over_models(pruned, 1000)[0] == 0
    assert over_weights(pruned, 1000) == pytest.approx([np.repeat([0.0, 1.0], 12).std(ddof=1)] * 3)
    assert over_filters(pruned, 1000)[0] == pytest.approx(np.repeat([0.0, 1.0], 20).std(ddof=1), rel=1e-6)


def test_chance_is_taken_out_of_the_standard_deviation_over_weights():
    """From 40 models it estimates what 1000 of the same population have."""
    rng = np.random.default_rng(0)
    shares = rng.uniform(0.3, 0.7, (1, 20, 30))
    many = (rng.random((1000, 20, 30)) < shares).mean(axis=0).std(ddof=1)
    few = rng.random((40, 20, 30)) < shares
    deviation, low, high = over_weights(few, 1000)
    assert few.mean(axis=0).std(ddof=1) > many + 0.01
    assert low < many < high
    assert 0.001 < high - low < 0.04
    assert low < deviation < high


def test_models_that_prune_unlike_shares_of_a_layer_do_not_hide_that_weights_differ():
    """As in a grid, where some models prune a twentieth of a layer and others nearly all of it."""
    rng = np.random.default_rng(1)
    often = rng.normal(0, 0.1, (1, 20, 30))
    share = rng.choice([0.15, 0.85], 2000)[:, None, None]
    pruned = rng.random((2000, 20, 30)) < share + often
    many = pruned.mean(axis=0).std(ddof=1)
    deviation, low, high = over_weights(pruned[:40], 2000)
    assert low < many < high
    assert deviation == pytest.approx(many, rel=0.1)


def test_weights_that_differ_less_than_chance_tells_have_an_upper_bound_alone():
    """Of small layers and few models nothing smaller than chance can be detected."""
    rng = np.random.default_rng(3)
    found = np.array([over_weights(rng.random((30, 4, 4)) < 0.3, 1000) for _ in range(40)])
    assert (found[:, 0] == 0).any()
    truth = np.sqrt(0.3 * 0.7 / 1000)  # what chance does to 1000 models
    assert (found[:, 1] <= truth).mean() > 0.9
    assert (found[:, 2] >= truth).mean() > 0.9


def test_verdicts_allow_for_the_papers_own_error(rows):
    caption = rows[(rows["number"] == "agreement") & (rows["at"] == "80") & (rows["quantity"] == "mean")].head(1)
    printed = PAPER["table1"].set_index("zoo").loc["fmnist_s_seed", "mp_agreement_mean"]

    def verdict(paper_models, **bounds):
        row = caption.assign(value=printed - 3, **bounds)
        return beside_paper(row, PAPER, "fmnist_s_seed", paper_models)["verdict"].item()

    inside, outside = {"low": printed - 6, "high": printed}, {"low": printed - 5, "high": printed - 1}
    assert verdict(1000, **inside) == FITS
    assert verdict(1000, **outside) == EXCLUDED
    assert verdict(6, **outside) == FITS
    assert verdict(1000, low=np.nan, high=np.nan) == OPEN


def test_numbers_that_the_paper_lacks_are_left_out(rows, evidence):
    beside = beside_paper(rows, PAPER, "fmnist_s_seed", 1000)
    assert set(beside.loc[beside["number"] == "finetuned_gap", "at"]) <= {"0", "50", "60", "70", "80", "90"}
    assert beside["paper"].notna().all()
    results = replace(evidence.results, tables={**evidence.results.tables, "hypotheses": beside})
    table = hypothesis_table([results, evidence.results])
    assert (table["zoo"] == "mini").all()
    assert len(arrange_hypotheses(table)) == len(beside)
    assert hypothesis_table([evidence.results]).empty
    assert len(layer_std(table).axes) == 2
    assert not layer_std(table.iloc[:0]).axes  # a sentence instead


def test_a_zoo_without_operating_points_has_its_other_riddles(evidence):
    zoo = make_zoo(points={name: {"mp": None, "vd": None} for name in ("agreement", "correlation")})
    bare = replace(evidence, results=replace(evidence.results, zoo=zoo), twins={})
    assert set(hypotheses(bare, 1000)["number"]) == {
        *("finetuned_accuracy", "finetuned_gap", "finetuned_train_accuracy", "layer_std")
    }


def test_evidence_of_a_model_is_all_of_the_same_model(tmp_path, monkeypatch):
    """Rows are by the models' indices, whatever the order of the file of predictions and the models that it has."""
    noisy = lambda shards, point, *rest: twin_predictions(shards, point)[0]  # noqa: E731
    monkeypatch.setattr("zootwins.analyses.hypothesis_evidence.training_mode_predictions", noisy)
    zoo, models = make_zoo(), make_models(14, excluded=(3,))
    ok = models[models["status"] == "ok"]
    shards = by_method(
        make_shard(tmp_path / f"{method}-{block}.safetensors", method, ok.iloc[7 * block : 7 * block + 7])
        for method in ("mp", "vd")
        for block in range(2)
    )
    assert [len(of_method) for of_method in shards.values()] == [2, 2]
    results = replace(make_results(tmp_path, zoo), models=models)
    predictions = np.arange(16)[:, None].repeat(3, 1)  # each original's are its index
    order = np.random.default_rng(0).permutation(16)
    test = ImageSet(torch.zeros(3, 1, 28, 28), torch.arange(3))
    originals = SimpleNamespace(architecture=ARCHITECTURE)
    found = gather_evidence(results, shards, originals, predictions[order], order, test)
    assert found.originals[:, 0].tolist() == ok["index"].tolist()
    for method in ("mp", "vd"):
        twins, index = twin_predictions(shards[method], zoo.operating_points("agreement")[method])
        np.testing.assert_array_equal(found.twins[method], twins)
        assert index.tolist() == ok["index"].tolist()
    assert set(found.noisy) == {"vd"}
    assert found.labels.tolist() == [0, 1, 2]
    assert {method: set(points) for method, points in found.pruned.items()} == {
        method: {value for value in ROWS[method] if zoo.point(method, value)} for method in ("mp", "vd")
    }
