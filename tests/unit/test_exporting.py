"""Export: populations in the raw layout come back through the import as the same tensors with the same accuracies."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from test_torch_engine import factors, images, population
from zootwins.architectures.architecture import get_architecture
from zootwins.images.datasets import HALF, SPLITS, StoredData, as_trained_on
from zootwins.population import ImageData
from zootwins.population.torch_engine import TorchEngine
from zootwins.population.variational import GaussianNoise
from zootwins.sparsifiers import magnitude_pruning, variational_dropout
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.sparsifiers.sparsify import sparsify
from zootwins.storage.shards import read_shard, write_trajectory
from zootwins.zoos.archives import open_members
from zootwins.zoos.dialects import open_zoo
from zootwins.zoos.dialects.base import RawModel
from zootwins.zoos.exporting import original_models, shard_models
from zootwins.zoos.importing import ImportedZoo, import_zoo
from zootwins.zoos.originals import Originals
from zootwins.zoos.raw_zoo import write_raw_zoo
from zootwins.zoos.training import train_zoo

FACTORS = [factors(4, momentum=0.0), factors(9, "relu", "sgd", dropout=0.5)]
NAMES = ["NN_0_nlin=tanh", "NN_1_nlin=relu"]
POPULATION = population(FACTORS, dtype=torch.float32)
ARCHITECTURE = POPULATION.architecture
DATA = ImageData(images(POPULATION, 24), images(POPULATION, 8), images(POPULATION, 40, seed=2))
ORIGINALS = Originals(ARCHITECTURE, NAMES, [0, 2], FACTORS, POPULATION.parameters)
ENGINE = TorchEngine()
FLOAT32 = 1e-6  # accuracies of shards are kept in float32


def round_trip(tmp_path: Path, models: list[RawModel], epoch: int | None = None) -> ImportedZoo:
    write_raw_zoo(tmp_path / "zoo.zip", "zoo", {}, models, ARCHITECTURE)
    zoo = import_zoo(tmp_path / "zoo.zip", "cnn_s", epoch, len(models), ENGINE, DATA.test)
    assert list(zoo.models.model) == [model.name for model in models]
    assert not zoo.models.reason.any()
    assert zoo.models.recorded_test_accuracy.tolist() == pytest.approx(zoo.models.test_accuracy.tolist(), abs=FLOAT32)
    return zoo


def shard_of(tmp_path: Path, method: str, trajectory, **more):
    write_trajectory(tmp_path / "shard.safetensors", method, trajectory, NAMES, [0, 2], **more)
    return read_shard(tmp_path / "shard.safetensors")


def test_originals_come_back(tmp_path):
    accuracy = ENGINE.evaluate(POPULATION, DATA.test).accuracy.tolist()
    table = pd.DataFrame(
        {"index": [0, 1, 2], "epoch": [50, np.nan, 50], "test_accuracy": [accuracy[0], 0, accuracy[1]]}
    )
    zoo = round_trip(tmp_path, list(original_models(ORIGINALS, table)))
    assert list(zoo.models.epoch) == [50, 50]
    assert all(torch.equal(zoo.parameters[name], tensor) for name, tensor in ORIGINALS.parameters.items())
    assert list(zoo.models.seed) == [4, 9]
    assert list(zoo.models.dropout) == [0.0, 0.5]


@pytest.mark.parametrize("epoch", [0, 2])
def test_a_zoo_trained_here_comes_back_with_its_history(tmp_path, epoch):
    trajectory = train_zoo(ENGINE, NAMES, FACTORS, get_architecture("cnn_s"), DATA, 2, "zoo")
    shard = shard_of(tmp_path, "trained", trajectory)
    zoo = round_trip(tmp_path, list(shard_models([shard], {0: FACTORS[0], 2: FACTORS[1]}, ARCHITECTURE)), epoch)
    for name in ARCHITECTURE.parameter_shapes:
        assert torch.equal(zoo.parameters[name], trajectory.tensors[name][:, epoch])
    assert zoo.history.test_loss.tolist() == trajectory.tensors["test_loss"].flatten().tolist()


def test_magnitude_twins_come_back_one_a_ratio(tmp_path):
    method, settings = get_sparsifier("mp"), magnitude_pruning.Settings(sparsities=(50.0,), epochs=1, lr=1e-3)
    trajectory = sparsify(ENGINE, method, settings, SparsifierInputs("zoo", ORIGINALS), DATA)
    shard = shard_of(tmp_path, "mp", trajectory, axes=method.axes(settings))
    zoo = round_trip(tmp_path, list(shard_models([shard], {0: FACTORS[0], 2: FACTORS[1]}, ARCHITECTURE)))
    assert list(zoo.models.model) == [f"{name},ratio={ratio}" for name in NAMES for ratio in ("0", "0.5")]
    for name in ARCHITECTURE.parameter_shapes:
        assert torch.equal(zoo.parameters[name], trajectory.tensors[name][:, :, 1].flatten(0, 1))


def test_exported_twins_keep_their_labels(tmp_path):
    method, settings = get_sparsifier("mp"), magnitude_pruning.Settings(sparsities=(50.0,), epochs=1, lr=1e-3)
    trajectory = sparsify(ENGINE, method, settings, SparsifierInputs("zoo", ORIGINALS), DATA)
    shard = shard_of(tmp_path, "mp", trajectory, axes=method.axes(settings))
    models = shard_models([shard], {0: FACTORS[0], 2: FACTORS[1]}, ARCHITECTURE)
    write_raw_zoo(tmp_path / "zoo.zip", "zoo", {}, models, ARCHITECTURE)
    with zipfile.ZipFile(tmp_path / "zoo.zip") as archive:
        folder = f"zoo/{NAMES[1]},ratio=0.5"
        params = json.loads(archive.read(f"{folder}/params.json"))
        lines = [json.loads(line) for line in archive.read(f"{folder}/result.json").splitlines()]
    labels = {"twin::method": "mp", "twin::original": NAMES[1], "twin::ratio": 0.5}
    assert params.items() >= labels.items()
    for line in lines:
        assert line["config"].items() >= labels.items()
        assert line["sparsity_ratio"] == pytest.approx(0.5)


def test_variational_twins_come_back_pruned(tmp_path):
    method, settings = get_sparsifier("vd"), variational_dropout.Settings(epochs=2, threshold=2.0, lr=0.3)
    trajectory = sparsify(ENGINE, method, settings, SparsifierInputs("zoo", ORIGINALS), DATA)
    shard = shard_of(tmp_path, "vd", trajectory)
    evaluated = method.weights(settings).deterministic
    zoo = round_trip(
        tmp_path, list(shard_models([shard], {0: FACTORS[0], 2: FACTORS[1]}, ARCHITECTURE, evaluated)), epoch=2
    )
    last = {name: tensor[:, 2] for name, tensor in trajectory.tensors.items() if "." in name}
    expected = GaussianNoise(threshold=2.0).deterministic(last)
    assert all(torch.equal(zoo.parameters[name], tensor) for name, tensor in expected.items())
    assert (expected["fc1.weight"] == 0).any()


def test_the_data_set_goes_with_an_export(tmp_path):
    data = StoredData(
        {split: torch.randint(256, (3, 1, 28, 28), dtype=torch.uint8) for split in SPLITS},
        {split: torch.tensor([1, 2, 3], dtype=torch.uint8) for split in SPLITS},
        *HALF,
    )
    model = next(original_models(ORIGINALS, pd.DataFrame({"index": [0, 2], "epoch": 1, "test_accuracy": 0.1})))
    write_raw_zoo(tmp_path / "zoo.zip", "zoo", {}, [model], ARCHITECTURE, as_trained_on(data))
    with open_members(tmp_path / "zoo.zip") as members:
        back = open_zoo(members).dataset()
    assert all(torch.equal(back.images[split], data.images[split]) for split in SPLITS)
