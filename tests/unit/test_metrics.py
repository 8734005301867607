import numpy as np
import pytest

from synthetic import ARCHITECTURE, PERCENTS, SAMPLES, VD_EPOCHS, make_models, make_predictions, make_shard
from zootwins.analyses.metrics import collect_metrics
from zootwins.run.errors import InputError

FLOAT32 = 1e-6  # shards hold float32: sums of fractions agree to their rounding


@pytest.fixture(params=["mp", "vd"])
def method(request):
    return request.param


@pytest.fixture
def models():
    return make_models(6, excluded=(3,))


def shards_of(models, method, folder, blocks=((0, 3), (3, 6))):
    ok = models[models["status"] == "ok"]
    return [
        make_shard(folder / f"{first}.safetensors", method, ok[ok["index"].between(first, last - 1)])
        for first, last in blocks
    ]


def test_every_model_ratio_and_epoch_has_its_row_in_the_shards_order(tmp_path, models, method):
    shards = shards_of(models, method, tmp_path)
    metrics = collect_metrics(shards, *make_predictions(models), ARCHITECTURE)
    assert metrics.scores["index"].drop_duplicates().tolist() == [0, 1, 2, 4, 5]
    for number, shard in enumerate(shards):
        for position, index in enumerate(shard.index):
            for r, ratio in enumerate(shard.ratios):
                for epoch in shard.states:
                    same_ratio = metrics.scores["ratio"].eq(ratio) if method == "mp" else metrics.scores["ratio"].isna()
                    row = metrics.scores[
                        same_ratio & metrics.scores["index"].eq(index) & metrics.scores["epoch"].eq(epoch)
                    ]
                    assert len(row) == 1, number
                    assert row["model"].item() == f"NN_{index:04d}"
                    expected = shard.tensor("test_accuracy")[position, r, epoch].item()
                    assert row["test_accuracy"].item() == expected
    assert len(metrics.scores) == 5 * len(shards[0].ratios) * len(shards[0].states)


def test_gap_is_train_minus_test_accuracy(tmp_path, models, method):
    scores = collect_metrics(shards_of(models, method, tmp_path), *make_predictions(models), ARCHITECTURE).scores
    np.testing.assert_allclose(scores["generalization_gap"], scores["train_accuracy"] - scores["test_accuracy"])


def test_layer_sparsity_weighted_by_layer_size_is_the_sparsity(tmp_path, models, method):
    metrics = collect_metrics(shards_of(models, method, tmp_path), *make_predictions(models), ARCHITECTURE)
    layers = metrics.layers.assign(pruned=lambda frame: frame["sparsity"] * frame["weights"])
    pruned = layers.groupby(["index", "ratio", "epoch"], dropna=False)["pruned"].sum() / ARCHITECTURE.weights
    sparsity = metrics.scores.set_index(["index", "ratio", "epoch"])["sparsity"]
    np.testing.assert_allclose(pruned.sort_index(), sparsity.sort_index(), atol=FLOAT32)
    first = metrics.layers.head(5)
    assert first["layer"].tolist() == ["conv1", "conv2", "conv3", "fc1", "fc2"]
    assert first["weights"].tolist() == [200, 1200, 96, 720, 200]
    assert first["multiply_adds"].tolist() == [200 * 24**2, 1200 * 8**2, 96 * 3**2, 720, 200]


def test_agreement_is_with_the_models_own_original(tmp_path, models, method):
    shards = shards_of(models, method, tmp_path)
    predictions, index = make_predictions(models)
    frame = collect_metrics(shards, predictions, index, ARCHITECTURE).agreement
    twin = shards[1].tensor("predictions")[1, -1, -1].numpy()  # model 5: the fifth original, since 3 is excluded
    expected = np.mean([twin[i] == predictions[4][i] for i in range(SAMPLES)])
    assert frame[frame["index"] == 5]["agreement"].iloc[-1] == pytest.approx(expected)
    epochs = [0, 3] if method == "mp" else list(range(VD_EPOCHS + 1))
    assert sorted(frame["epoch"].unique()) == epochs
    assert len(frame) == 5 * len(epochs) * (len(PERCENTS) + 1 if method == "mp" else 1)


def test_missing_shard_is_an_error(tmp_path, models, method):
    shards = shards_of(models, method, tmp_path)
    with pytest.raises(InputError, match="no shard holds model 4 \\(2 are missing\\)"):
        collect_metrics(shards[:1], *make_predictions(models), ARCHITECTURE)


def test_overlapping_shards_are_an_error(tmp_path, models, method):
    shards = shards_of(models, method, tmp_path, ((0, 5), (4, 6)))
    with pytest.raises(InputError, match="model NN_0004 is also in"):
        collect_metrics(shards, *make_predictions(models), ARCHITECTURE)


def test_unknown_model_is_an_error(tmp_path, models, method):
    shards = shards_of(models, method, tmp_path)
    with pytest.raises(InputError, match="holds model 5, which is not among"):
        collect_metrics(shards, *make_predictions(models[:-1]), ARCHITECTURE)


def test_another_test_split_is_an_error(tmp_path, models, method):
    predictions, index = make_predictions(models)
    with pytest.raises(InputError, match="predictions on 50 test samples, the originals' on 49"):
        collect_metrics(shards_of(models, method, tmp_path), predictions[:, 1:], index, ARCHITECTURE)
