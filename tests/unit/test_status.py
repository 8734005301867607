"""Networks that diverged are left out of what is said of a zoo, and counted; collapsed ones stay."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from synthetic import ARCHITECTURE, SETTINGS_OF, make_models, make_predictions, make_shard, make_zoo
from zootwins.analyses.metrics import collect_metrics
from zootwins.analyses.paper_comparison import PAPER_LAYERS
from zootwins.analyses.paper_tables import agreement_table
from zootwins.analyses.prune_shares import prune_shares
from zootwins.analyses.response import twin_predictions
from zootwins.analyses.results import left_out, load_results
from zootwins.analyses.status import COLLAPSED, DIVERGED, OK, announcement, details, status_of
from zootwins.storage.frames import write_csv, write_parquet
from zootwins.storage.shards import Trajectory, read_shard, write_trajectory

LOST, FLAT = 3, 5  # a model whose VD twin diverges from state 2 on, and one whose last VD twin has one class


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    """Made-up VD twins, of which one diverges and one collapses."""
    folder = tmp_path_factory.mktemp("status")
    made = make_shard(folder / "made.safetensors", "vd", make_models())
    tensors = {name: made.tensor(name).clone() for name in made.shapes}
    tensors["test_loss"][LOST, 2:] = torch.nan
    tensors["test_accuracy"][LOST, 2:] = 0.1
    tensors["sparsity"][LOST, 2:] = 0.0
    tensors["predictions"][LOST, 2:] = 0
    tensors["predictions"][FLAT, -1] = 2
    states = (list(made.states), list(made.weight_states), list(made.prediction_states))
    write_trajectory(folder / "0000-0013.safetensors", "vd", Trajectory(*states, tensors), made.models, made.index)
    return read_shard(folder / "0000-0013.safetensors")


@pytest.fixture(scope="module")
def metrics(shard):
    zoo = make_zoo(methods={"vd": SETTINGS_OF["vd"]})
    return collect_metrics([shard], *make_predictions(make_models()), ARCHITECTURE, zoo.curve("vd"))


@pytest.fixture(scope="module")
def results(metrics, tmp_path_factory):
    """The same by way of files, as every table and figure reads them."""
    root = tmp_path_factory.mktemp("results")
    zoo = make_zoo(methods={"vd": SETTINGS_OF["vd"]}, points={"agreement": {"vd": 5}, "correlation": {"vd": 5}})
    files = [root / "results/zoos/mini/models.csv"]
    files[0].parent.mkdir(parents=True)
    write_csv(make_models(), files[0], digits=None)
    for name, table in vars(metrics).items():
        files.append(root / f"results/metrics/mini/vd/{name}.parquet")
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        write_parquet(table, files[-1], {})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        (found,) = load_results([zoo.plain()], [str(file.relative_to(root)) for file in files])
    return found


def test_every_state_of_a_twin_has_a_status(metrics):
    status = metrics.scores.pivot_table("status", "index", "epoch", aggfunc="first", observed=True)
    assert status.loc[LOST].tolist() == [OK, OK, *[DIVERGED] * 4]
    assert status.loc[FLAT].tolist() == [*[OK] * 5, COLLAPSED]
    assert (status.drop(index=[LOST, FLAT]) == OK).all(axis=None)
    layers = metrics.layers.groupby(["index", "epoch"])["status"].unique()
    assert [values.tolist() for values in layers[LOST]] == [[OK], [OK], *[[DIVERGED]] * 4]
    assert metrics.agreement["status"].tolist() == metrics.scores["status"].tolist()


def test_the_status_is_missing_where_nobody_can_say():
    found = status_of(np.array([True, False]), np.array([False, False]), known=False)
    assert found[0] == DIVERGED
    assert pd.isna(found[1])


def test_what_diverged_is_announced_and_named(metrics):
    line = announcement(metrics.scores)
    assert "1 of 14 models have networks that diverged" in line
    assert "2 of 14" not in line
    assert "1 of 14 models have networks that put all test images into one class" in line
    assert any("NN_0003" in each and "4 diverged" in each for each in details(metrics.scores))
    assert announcement(metrics.scores[~metrics.scores["index"].isin([LOST, FLAT])]) == ""


def test_a_table_leaves_out_what_diverged_and_says_so(results, metrics):
    (row,) = agreement_table([results]).to_dict("records")
    last = metrics.scores[(metrics.scores["epoch"] == 5) & (metrics.scores["index"] != LOST)]
    assert row["models"] == 13  # the collapsed one counts
    assert row["vd_accuracy_mean"] == pytest.approx(100 * last["test_accuracy"].mean())
    assert row["vd_sparsity_mean"] == pytest.approx(100 * last["sparsity"].mean())
    assert left_out([results, results]) == "Left out where weights or loss are not finite, models: VD: 2."
    assert left_out([replace(results, diverged={})]) == ""


def test_states_before_a_twin_diverged_count(results):
    assert len(results.at("vd", 1)) == 14
    assert len(results.at("vd", 2)) == 13
    assert len(results.undiverged().at("vd", 1)) == 13


def test_analyses_of_shards_leave_them_out(shard):
    predictions, index = twin_predictions([shard], make_zoo().point("vd", 5))
    assert LOST not in index
    assert len(predictions) == len(index) == 13
    shares = prune_shares([shard], 3.0, PAPER_LAYERS)
    assert shares.groupby("epoch")["models"].unique().map(list).tolist() == [[14], [14], *[[13]] * 4]


def test_tables_of_whole_zoos_have_nothing_left_out(tmp_path, monkeypatch):
    """Such as what is scored of a population: they have no column of models to count."""
    monkeypatch.chdir(tmp_path)
    files = ["results/zoos/mini/models.csv", "results/metrics/mini/benchmark.parquet"]
    write_csv(make_models(), files[0])
    write_parquet(pd.DataFrame({"task": ["accuracy"], "value": [0.5]}), files[1], {})
    results = load_results([make_zoo("mini").plain()], files)
    assert left_out(results) == ""
