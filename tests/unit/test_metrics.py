import numpy as np
import pandas as pd
import pytest

from synthetic import (
    ARCHITECTURE,
    MP_EPOCHS,
    PERCENTS,
    SAMPLES,
    VD_EPOCHS,
    make_models,
    make_predictions,
    make_shard,
    make_zoo,
)
from zootwins.analyses.metrics import collect_metrics, taken
from zootwins.run.errors import InputError
from zootwins.storage.shards import TwinShard

FLOAT32 = 1e-6  # shards hold float32: sums of fractions agree to their rounding


@pytest.fixture(params=["mp", "vd"])
def method(request):
    return request.param


@pytest.fixture
def models():
    return make_models(6, excluded=(3,))


CURVES = {method: make_zoo().curve(method) for method in ("mp", "vd")}


def shards_of(models, method, folder, blocks=((0, 3), (3, 6))):
    ok = models[models["status"] == "ok"]
    return [
        make_shard(folder / f"{first}.safetensors", method, ok[ok["index"].between(first, last - 1)])
        for first, last in blocks
    ]


def collect(shards, method, models):
    return collect_metrics(shards, *make_predictions(models), ARCHITECTURE, CURVES[method])


def test_every_twin_and_state_has_its_row_in_the_shards_order(tmp_path, models, method):
    shards = shards_of(models, method, tmp_path)
    metrics = collect(shards, method, models)
    assert metrics.scores["index"].drop_duplicates().tolist() == [0, 1, 2, 4, 5]
    for number, shard in enumerate(shards):
        for position, index in enumerate(shard.index):
            for twin, place in enumerate(shard.coordinates):
                for epoch in shard.states:
                    wanted = {"index": index, "epoch": epoch, **place}
                    row = metrics.scores[(metrics.scores[list(wanted)] == pd.Series(wanted)).all(axis=1)]
                    assert len(row) == 1, number
                    assert row["model"].item() == f"NN_{index:04d}"
                    expected = shard.twins("test_accuracy")[position, twin, epoch].item()
                    assert row["test_accuracy"].item() == expected
    assert len(metrics.scores) == 5 * len(shards[0].coordinates) * len(shards[0].states)
    axes = ["ratio"] if method == "mp" else []
    assert metrics.scores.columns[: 4 + len(axes)].tolist() == ["model", "index", *axes, "epoch", "point"]


def test_operating_points_are_the_rows_with_a_value_on_the_dial(tmp_path, models, method):
    scores = collect(shards_of(models, method, tmp_path), method, models).scores
    on_curve = scores[scores["point"].notna()]
    assert on_curve.groupby("index").size().eq(len(CURVES[method])).all()
    if method == "mp":
        assert (on_curve["epoch"] == MP_EPOCHS).all()
        np.testing.assert_allclose(on_curve["point"], 100 * on_curve["ratio"])
    else:
        assert (on_curve["point"] == on_curve["epoch"]).all()


def test_gap_is_train_minus_test_accuracy(tmp_path, models, method):
    scores = collect(shards_of(models, method, tmp_path), method, models).scores
    np.testing.assert_allclose(scores["generalization_gap"], scores["train_accuracy"] - scores["test_accuracy"])


def test_layer_sparsity_weighted_by_layer_size_is_the_sparsity(tmp_path, models, method):
    metrics = collect(shards_of(models, method, tmp_path), method, models)
    keys = ["index", *(["ratio"] if method == "mp" else []), "epoch"]
    layers = metrics.layers.assign(pruned=lambda frame: frame["sparsity"] * frame["weights"])
    pruned = layers.groupby(keys)["pruned"].sum() / ARCHITECTURE.weights
    sparsity = metrics.scores.set_index(keys)["sparsity"]
    np.testing.assert_allclose(pruned.sort_index(), sparsity.sort_index(), atol=FLOAT32)
    first = metrics.layers.head(5)
    assert first["layer"].tolist() == ["conv1", "conv2", "conv3", "fc1", "fc2"]
    assert first["weights"].tolist() == [200, 1200, 96, 720, 200]
    assert first["multiply_adds"].tolist() == [200 * 24**2, 1200 * 8**2, 96 * 3**2, 720, 200]


def test_empty_layers_are_counted(tmp_path, models, method, monkeypatch):
    """The second layer is always empty here, the first where it was sparser than its median."""
    stored = TwinShard.twins

    def emptied(shard, name, model=None):
        tensor = stored(shard, name, model).clone()
        if name == "sparsity":
            tensor[..., 1] = 1
            tensor[..., 0] = (tensor[..., 0] > tensor[..., 0].median()).float()
        return tensor

    monkeypatch.setattr(TwinShard, "twins", emptied)
    metrics = collect(shards_of(models, method, tmp_path), method, models)
    expected = metrics.layers["sparsity"].eq(1).to_numpy().reshape(-1, 5).sum(1)
    assert set(expected) == {1, 2}
    assert metrics.scores["empty_layers"].tolist() == expected.tolist()


def test_agreement_is_with_the_models_own_original(tmp_path, models, method):
    shards = shards_of(models, method, tmp_path)
    predictions, index = make_predictions(models)
    frame = collect_metrics(shards, predictions, index, ARCHITECTURE, CURVES[method]).agreement
    twin = shards[1].twins("predictions")[1, -1, -1].numpy()  # model 5: the fifth original, since 3 is excluded
    expected = np.mean([twin[i] == predictions[4][i] for i in range(SAMPLES)])
    assert frame[frame["index"] == 5]["agreement"].iloc[-1] == pytest.approx(expected)
    epochs = [0, 3] if method == "mp" else list(range(VD_EPOCHS + 1))
    assert sorted(frame["epoch"].unique()) == epochs
    assert len(frame) == 5 * len(epochs) * (len(PERCENTS) + 1 if method == "mp" else 1)


def test_missing_shard_is_an_error(tmp_path, models, method):
    shards = shards_of(models, method, tmp_path)
    with pytest.raises(InputError, match="no shard holds model 4 \\(2 are missing\\)"):
        collect(shards[:1], method, models)


def test_overlapping_shards_are_an_error(tmp_path, models, method):
    shards = shards_of(models, method, tmp_path, ((0, 5), (4, 6)))
    with pytest.raises(InputError, match="model NN_0004 is also in"):
        collect(shards, method, models)


def test_unknown_model_is_an_error(tmp_path, models, method):
    shards = shards_of(models, method, tmp_path)
    with pytest.raises(InputError, match="holds model 5, which is not among"):
        collect(shards, method, models[:-1])


def test_another_test_split_is_an_error(tmp_path, models, method):
    predictions, index = make_predictions(models)
    with pytest.raises(InputError, match="predictions on 50 test samples, the originals' on 49"):
        collect_metrics(shards_of(models, method, tmp_path), predictions[:, 1:], index, ARCHITECTURE, CURVES[method])


def test_the_originals_of_a_run_are_those_from_the_first():
    """A zoo of which more was imported before has more rows than the run takes."""
    index = np.array([0, 2, 3, 7])  # the others were excluded
    predictions = np.arange(8).reshape(4, 2)
    chosen, models = taken(predictions, index, 3)
    assert models.tolist() == [0, 2]
    assert chosen.tolist() == [[0, 1], [2, 3]]
    assert taken(predictions, index, 8)[1].tolist() == index.tolist()
