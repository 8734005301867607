"""Import: genuine zoos come in whole with the accuracies they recorded; what does not belong together is refused."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from plain_networks import Network
from raw_zoos import HYPERPARAMETER, PARAMS, UNIFORM, model_files, results, state, torch_bytes, write_folder, write_zip
from zootwins.architectures.architecture import to_state_dict
from zootwins.images.datasets import load_dataset, save_dataset
from zootwins.population import Evaluation, ImageSet, Population
from zootwins.population.torch_engine import TorchEngine
from zootwins.run.errors import InputError
from zootwins.storage.frames import write_csv
from zootwins.zoos import importing
from zootwins.zoos.archives import open_members
from zootwins.zoos.dialects import open_zoo
from zootwins.zoos.importing import ImportedZoo, excluded, import_zoo, remarks
from zootwins.zoos.originals import load_originals, model_factors, read_models, write_rows

RECORDED = 1e-3  # one of 1000 test images: the rounding of another machine may turn it


class PlainEngine:
    """One model at a time in plain PyTorch."""

    name = "plain"

    def evaluate(self, population: Population, data: ImageSet) -> Evaluation:
        logits = torch.stack([self._logits(population, row, data.images) for row in range(len(population))])
        loss = torch.stack([F.cross_entropy(of_model, data.labels) for of_model in logits])
        predictions = logits.argmax(2)
        return Evaluation(loss, (predictions == data.labels).double().mean(1), predictions.to(torch.uint8))

    @torch.no_grad()
    def _logits(self, population: Population, row: int, images: Tensor) -> Tensor:
        factors, architecture = population.factors[row], population.architecture
        network = Network(architecture, factors.activation, factors.dropout).eval()
        parameters = {name: tensor[row] for name, tensor in population.parameters.items()}
        network.load_state_dict(to_state_dict(parameters, architecture, factors.dropout))
        return network(images)


@pytest.fixture(scope="module")
def fashion_mnist(tmp_path_factory) -> ImageSet:
    """The test split that both genuine zoos were evaluated on, as it goes through the program's own file."""
    path = tmp_path_factory.mktemp("data") / "dataset.safetensors"
    with open_members(UNIFORM) as members:
        data = open_zoo(members).dataset()
    save_dataset(path, data, {})
    return load_dataset(path).test


def random_images(channels: int = 1, size: int = 28) -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    return ImageSet(torch.randn(100, channels, size, size, generator=generator), torch.arange(100) % 10)


@pytest.mark.parametrize("engine", [PlainEngine(), TorchEngine()], ids=lambda engine: engine.name)
@pytest.mark.parametrize(("path", "models"), [(UNIFORM, 2), (HYPERPARAMETER, 4)], ids=["uniform", "hyperparameter"])
@pytest.mark.parametrize("epoch", [None, 0])
def test_genuine_zoos_come_in_whole_with_their_recorded_accuracies(path, models, epoch, engine, fashion_mnist):
    zoo = import_zoo(path, "cnn_s", epoch, models, engine, fashion_mnist)
    assert list(zoo.models.status) == ["ok"] * models
    assert (zoo.models.recorded_test_accuracy - zoo.models.test_accuracy).abs().max() < RECORDED
    assert zoo.predictions.shape == (models, 1000)
    assert zoo.index.tolist() == list(range(models))
    accuracy = (zoo.predictions == fashion_mnist.labels).double().mean(1)
    assert accuracy.tolist() == pytest.approx(zoo.models.test_accuracy.tolist())


def test_the_tables_of_a_genuine_zoo(fashion_mnist):
    zoo = import_zoo(HYPERPARAMETER, "cnn_s", None, 4, TorchEngine(), fashion_mnist)
    assert list(zoo.models.activation) == ["tanh", "tanh", "tanh", "gelu"]
    assert list(zoo.models.optimizer) == ["adam", "adam", "sgd", "sgd"]
    assert list(zoo.models.dropout) == [0.0, 0.5, 0.0, 0.5]
    assert list(zoo.models.momentum) == [0.0, 0.0, 0.9, 0.9]
    assert set(zoo.models.epoch) == {30}
    last = zoo.history[zoo.history.epoch == 30].set_index("index")
    assert list(last.test_accuracy) == list(zoo.models.recorded_test_accuracy)
    assert len(zoo.history) == 4 * 31
    assert not zoo.history.isna().any(axis=None)


def test_a_zoo_imported_in_pieces_is_the_same(tmp_path, monkeypatch):
    """Also where a model is excluded after it was read; the files have the same bytes."""
    states = {name: state(seed=seed) for seed, name in enumerate("abcd")}
    files = {}
    for name, weights in states.items():
        recorded = {"result": results(test_acc=0.99)} if name == "b" else {"result": results(test_acc=None)}
        files |= model_files(name, last=torch_bytes(weights), **recorded)
    path, written = write_zip(tmp_path / "zoo.zip", files), []
    for size in (importing.BYTES_AT_ONCE, 1):
        monkeypatch.setattr(importing, "BYTES_AT_ONCE", size)
        zoo = import_zoo(path, "cnn_s", None, 4, TorchEngine(), random_images(), max_broken_share=0.25)
        assert zoo.index.tolist() == [0, 2, 3]
        write_rows(tmp_path / "originals.safetensors", "originals", zoo.index, zoo.parameters, {})
        written.append((tmp_path / "originals.safetensors").read_bytes())
        expected = torch.stack([states[name]["module_list.11.bias"] for name in "acd"])
        assert torch.equal(zoo.parameters["fc2.bias"], expected)
    assert written[0] == written[1]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["originals.safetensors", "zoo.zip"]


def test_a_zoo_on_data_that_is_not_its_own_is_refused(fashion_mnist):
    shuffled = ImageSet(fashion_mnist.images, fashion_mnist.labels.roll(1))
    with pytest.raises(InputError, match="points in the mean, so the data and the zoo do not belong together"):
        import_zoo(HYPERPARAMETER, "cnn_s", None, 4, TorchEngine(), shuffled)


def recorded_accuracies(tmp_path: Path, **accuracies: float | None) -> Path:
    """A zip with models of those recorded test accuracies."""
    files = {}
    for name, accuracy in accuracies.items():
        files |= model_files(name, result=results(test_acc=accuracy))
    return write_zip(tmp_path / "zoo.zip", files)


def test_one_wrong_model_is_excluded_whatever_the_mean(tmp_path):
    probe = import_zoo(recorded_accuracies(tmp_path, a=None), "cnn_s", None, 1, TorchEngine(), random_images())
    true = probe.models.test_accuracy[0]
    path = recorded_accuracies(tmp_path, a=true, b=true + 0.02, c=true, d=true + 0.01)
    zoo = import_zoo(path, "cnn_s", None, 4, TorchEngine(), random_images(), max_broken_share=0.25)
    reason = f"another test accuracy than recorded: {true:.4f}, not {true + 0.02:.4f}"
    assert list(zoo.models.reason) == ["", reason, "", ""]  # one of 100 images may be turned by rounding
    assert list(zoo.models.status) == ["ok", "excluded", "ok", "ok"]
    assert zoo.index.tolist() == [0, 2, 3]
    assert len(zoo.predictions) == len(zoo.parameters["fc1.weight"]) == 3
    assert set(zoo.history["index"]) == {0, 2, 3}
    assert zoo.models.test_accuracy.notna().all()


def test_what_was_not_recorded_is_said_to_be_unchecked(tmp_path, caplog):
    probe = import_zoo(recorded_accuracies(tmp_path, a=None), "cnn_s", None, 1, TorchEngine(), random_images())
    assert "no test accuracy is recorded for 1 of 1 models: unchecked" in caplog.text
    caplog.clear()
    path = recorded_accuracies(tmp_path, a=probe.models.test_accuracy[0])
    import_zoo(path, "cnn_s", None, 1, TorchEngine(), random_images())
    assert "unchecked" not in caplog.text


def small_zoo(tmp_path: Path, **models: dict[str, bytes | None]) -> ImportedZoo:
    """A zoo of made-up models, changed as `model_files` says, which record no accuracies."""
    files = {}
    for name, changes in models.items():
        files |= model_files(name, **{"result": results(test_acc=None)} | changes)
    path = write_zip(tmp_path / "zoo.zip", files)
    return import_zoo(path, "cnn_s", None, len(models), TorchEngine(), random_images(), max_broken_share=1)


def test_broken_models_are_kept_in_the_table_with_their_reason_and_left_out_of_the_tensors(tmp_path):
    nan = torch_bytes(state() | {"module_list.0.bias": torch.full((8,), torch.nan)})
    zoo = small_zoo(tmp_path, a={"params": None}, b={}, c={"last": nan}, d={}, e={"last": None})
    assert list(zoo.models.model) == ["a", "b", "c", "d", "e"]
    assert list(zoo.models.status) == ["excluded", "ok", "excluded", "ok", "excluded"]
    assert list(zoo.models.reason) == [
        "missing params.json",
        "",
        "NaN or infinite numbers in conv1.bias",
        "",
        "missing checkpoint of epoch 1 (its last is 0)",
    ]
    assert zoo.index.tolist() == [1, 3]
    assert zoo.parameters["fc1.weight"].shape == (2, 20, 36)
    assert set(zoo.history["index"]) == {1, 3}


def test_a_zoo_with_too_many_broken_models_is_refused_with_their_commonest_reason(tmp_path):
    files = {}
    for name, changes in {"a": {}, "b": {"params": None}, "c": {}, "d": {"last": None}, "e": {"last": None}}.items():
        files |= model_files(name, **{"result": results(test_acc=None)} | changes)
    path = write_zip(tmp_path / "zoo.zip", files)
    reason = (
        r"zoo\.zip: 3 of 5 models are excluded; the commonest reason \(2 times, such as for d\): missing "
        r"checkpoint of epoch 1 \(its last is 0\); that is more than max_broken_share = 0.5 "
        r"allows.*raise max_broken_share"
    )
    with pytest.raises(InputError, match=reason):
        import_zoo(path, "cnn_s", None, 5, TorchEngine(), random_images(), max_broken_share=0.5)
    zoo = import_zoo(path, "cnn_s", None, 5, TorchEngine(), random_images(), max_broken_share=0.6)
    assert zoo.index.tolist() == [0, 2]
    first, second = remarks(zoo.models)
    assert first.startswith("3 of 5 models are excluded")
    assert second == "no test accuracy is recorded of 2 of 5 models: unchecked"


def test_reasons_of_one_kind_count_as_one(tmp_path):
    zoo = small_zoo(tmp_path, a={"last": b"x"}, b={"last": torch_bytes([1])}, c={"params": None}, d={})
    assert excluded(zoo.models).startswith(
        "3 of 4 models are excluded; the commonest reason (2 times, such as for a): unre"
    )


def test_nothing_is_remarked_on_a_genuine_zoo(fashion_mnist):
    assert remarks(import_zoo(UNIFORM, "cnn_s", None, 2, TorchEngine(), fashion_mnist).models) == []


def test_the_tables_survive_their_files(tmp_path):
    """models.csv with commas, quotes and empty fields is read back as it was, and factors with it."""
    name = 'NN_0_model_dropout=0.0,nlin="tanh"'
    zoo = small_zoo(tmp_path, **{name: {}, "NN_1": {"last": b"", "first": None}})
    write_csv(zoo.models, tmp_path / "models.csv", digits=None)
    back = read_models(tmp_path / "models.csv")
    assert list(back.model) == [name, "NN_1"]
    assert back.seed.tolist() == [3, 3]
    assert pd.isna(back.test_accuracy[1])
    write_rows(tmp_path / "originals.safetensors", "originals", zoo.index, zoo.parameters, {})
    originals = load_originals(tmp_path / "originals.safetensors", tmp_path / "models.csv", "cnn_s", 0, 2)
    assert originals.models == [name]
    assert originals.factors[0].seed == 3


@pytest.mark.parametrize("name", ["NA", "null", "None", "nan", "1e5", "007", "{x}", "-"])
def test_names_of_models_are_texts_whatever_they_look_like(tmp_path, name):
    zoo = small_zoo(tmp_path, **{name: {}, "other": {}})
    write_csv(zoo.models, tmp_path / "models.csv", digits=None)
    assert list(read_models(tmp_path / "models.csv").model) == sorted([name, "other"])
    write_rows(tmp_path / "originals.safetensors", "originals", zoo.index, zoo.parameters, {})
    originals = load_originals(tmp_path / "originals.safetensors", tmp_path / "models.csv", "cnn_s", 0, 2)
    assert list(originals.models) == sorted([name, "other"])


def test_seeds_and_initialisers_that_are_not_recorded_stay_so(tmp_path):
    params = {key: value for key, value in PARAMS.items() if key not in ("seed", "model::init_type")}
    zoo = small_zoo(tmp_path, a={"params": json.dumps(params).encode()}, b={})
    write_csv(zoo.models, tmp_path / "models.csv", digits=None)
    (unknown, known) = model_factors(read_models(tmp_path / "models.csv")).values()
    assert (unknown.seed, unknown.init) == (None, None)
    assert (known.seed, known.init) == (3, "uniform")


def test_an_import_says_when_models_stopped_at_different_epochs(tmp_path):
    zoo = small_zoo(tmp_path, a={}, b={"last": None, "result": results([0], test_acc=None)})
    assert list(zoo.models.epoch) == [1, 0]
    assert any("stopped at different epochs, 0 to 1" in remark for remark in remarks(zoo.models))


def test_a_model_of_another_batch_size_is_excluded(tmp_path):
    odd = model_files("b")["b/params.json"].replace(b'"training::batchsize": 10', b'"training::batchsize": 20')
    zoo = small_zoo(tmp_path, a={}, b={"params": odd}, c={})
    assert list(zoo.models.reason) == ["", "training::batchsize is 20, the zoo's is 10", ""]


def test_another_number_of_models_than_the_catalogue_says_is_refused():
    with pytest.raises(InputError, match="holds 2 models, but the catalogue says 3; correct its key models"):
        import_zoo(UNIFORM, "cnn_s", None, 3, TorchEngine(), random_images())


@pytest.mark.parametrize(
    ("architecture", "data", "reason"),
    [
        ("cnn_l", random_images(1, 28), "cnn_l takes images of 32 pixels, not of 28"),
        (
            "cnn_l",
            random_images(1, 32),
            r"every model is excluded, NN_.*module_list.3.weight.*it is of cnn_s",
        ),
        ("cnn_s", random_images(3, 28), "every model is excluded, NN_.* because: wrong shapes: conv1.weight"),
    ],
    ids=["image size", "architecture", "channels"],
)
def test_a_zoo_of_another_architecture_is_refused(architecture, data, reason):
    with pytest.raises(InputError, match=reason) as caught:
        import_zoo(UNIFORM, architecture, None, 2, TorchEngine(), data)
    assert "in the catalogue" in str(caught.value)


def test_unknown_activations_of_all_models_are_refused_by_key(tmp_path):
    files = model_files("NN_0")
    files["NN_0/params.json"] = files["NN_0/params.json"].replace(b"tanh", b"swish")
    with pytest.raises(InputError, match="NN_0 because: model::nlin is 'swish', not one of tanh"):
        import_zoo(write_folder(tmp_path / "zoo", files), "cnn_s", None, 1, TorchEngine(), random_images())


def test_a_data_set_that_brings_code_does_not_matter_to_the_import(tmp_path):
    """import_zoo never opens dataset.pt; prepare_dataset does, and refuses it (test_datasets)."""
    files = model_files("NN_0") | {"dataset.pt": torch_bytes(TensorDataset(torch.zeros(1)))}
    files["NN_0/result.json"] = results(test_acc=None)
    zoo = import_zoo(write_zip(tmp_path / "zoo.zip", files), "cnn_s", None, 1, TorchEngine(), random_images())
    assert zoo.models.recorded_test_accuracy.isna().all()
