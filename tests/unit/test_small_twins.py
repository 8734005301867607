"""Twins without their removed channels: stored, exported and timed, with the logits of the masked networks."""

import json
import zipfile
from io import BytesIO

import pytest
import torch
from torch import nn

from synthetic import make_zoo
from test_torch_engine import factors, images, population
from zootwins.analyses.sizes import channel_sparsity, sizes
from zootwins.architectures.architecture import get_architecture
from zootwins.architectures.narrowing import narrowed
from zootwins.population import ImageData
from zootwins.population.torch_engine import TorchEngine
from zootwins.run.errors import InputError
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.sparsifiers.small_twins import read_small, small_models, small_twins, write_small
from zootwins.sparsifiers.sparsify import sparsify
from zootwins.storage.shards import read_shard, write_trajectory
from zootwins.zoos.exporting import shard_models
from zootwins.zoos.importing import import_zoo
from zootwins.zoos.originals import Originals
from zootwins.zoos.raw_zoo import write_raw_zoo

FACTORS = [factors(0), factors(1, "sigmoid", "sgd")]
NAMES = ["a", "b"]
LOGITS = 1e-6  # float32, sums in another order
CHANNELS = 8 + 6 + 4 + 20  # of cnn_s, the classes not counted


@pytest.fixture(scope="module")
def data():
    one = images(population([factors(0)], dtype=torch.float32), 64)
    return ImageData(one, one, one)


def shard_of(folder, method, data, **settings):
    of = population(FACTORS, dtype=torch.float32)
    sparsifier = get_sparsifier(method)
    settings = sparsifier.Settings(**{"epochs": 1, "sparsities": (50,), "lr": 1e-3} | settings)
    inputs = SparsifierInputs("zoo", Originals(of.architecture, NAMES, [0, 1], FACTORS, of.parameters))
    trajectory = sparsify(TorchEngine(), sparsifier, settings, inputs, data)
    path = folder / f"{method}.safetensors"
    made_by = {"configuration": json.dumps({"settings": settings.model_dump()})}
    write_trajectory(path, method, trajectory, NAMES, [0, 1], axes=sparsifier.axes(settings), metadata=made_by)
    return read_shard(path), settings


@pytest.fixture(scope="module", params=["uniform", "global"])
def channels(request, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("channels")
    shard, settings = shard_of(folder, "channels", data, allocation=request.param)
    return shard, settings, small_twins(get_architecture("cnn_s", 1), [shard])


def masked(shard, model, place):
    """One model's network at full size after the last epoch."""
    network = get_architecture("cnn_s", 1).module(FACTORS[model].activation)
    network.load_state_dict({name: shard.twins(name)[model, place, -1] for name in shard.parameters})
    return network


def test_small_twins_compute_what_the_masked_ones_do(channels, data):
    shard, _, twins = channels
    assert [one.at["ratio"] for one in twins] == [0.0, 0.5]
    assert twins[0].architecture.parameter_shapes == get_architecture("cnn_s", 1).parameter_shapes
    for place, one in enumerate(twins):
        for model in range(2):
            network = one.architecture.module(FACTORS[model].activation)
            network.load_state_dict({name: tensor[model] for name, tensor in one.parameters.items()})
            expected = masked(shard, model, place)(data.test.images)
            torch.testing.assert_close(network(data.test.images), expected, rtol=0, atol=LOGITS)


def test_half_of_the_channels_are_gone(channels):
    _, settings, twins = channels
    assert channel_sparsity(get_architecture("cnn_s", 1), [twins[0]]) == 0
    assert channel_sparsity(get_architecture("cnn_s", 1), [twins[1]]) == pytest.approx(0.5)
    if settings.allocation == "uniform":
        assert [layer.outputs for layer in twins[1].architecture.layers] == [4, 3, 2, 10, 10]


def test_small_twins_come_back_from_their_file(channels, tmp_path):
    shard, _, twins = channels
    write_small(tmp_path / "small.safetensors", shard, twins, {})
    for stored, made in zip(read_small(tmp_path / "small.safetensors"), twins, strict=True):
        assert (stored.at, stored.architecture) == (made.at, made.architecture)
        for kind in ("parameters", "places"):
            theirs, ours = getattr(stored, kind), getattr(made, kind)
            assert theirs.keys() == ours.keys()
            assert all(torch.equal(theirs[name], ours[name]) for name in ours)


def plain(layers, activation):
    """What somebody without this package builds of config.json's list: plain PyTorch modules with their names."""
    network, width, number = nn.Sequential(), 1, {"conv": 0, "fc": 0}
    for position, step in enumerate(layers):
        kind, value = next(iter(step.items())) if isinstance(step, dict) else (step, None)
        if kind == "conv":
            number["conv"] += 1
            network.add_module(f"conv{number['conv']}", nn.Conv2d(width, value["outputs"], value["kernel"]))
            width = value["outputs"]
        elif kind == "linear":
            if not number["fc"]:
                network.add_module("flatten", nn.Flatten())
                width *= 9  # three by three pixels
            number["fc"] += 1
            outputs = 10 if value == "classes" else value
            network.add_module(f"fc{number['fc']}", nn.Linear(width, outputs))
            width = outputs
        elif kind == "max_pool":
            network.add_module(f"pool{position}", nn.MaxPool2d(value))
        elif kind == "activation":
            network.add_module(f"activation{position}", activation())
    return network


def test_the_exported_zoo_is_of_plain_modules_with_the_masked_networks_logits(channels, data, tmp_path):
    shard, _, twins = channels
    architecture, small, path = get_architecture("cnn_s", 1), twins[1], tmp_path / "small.zip"
    models = shard_models([shard], dict(enumerate(FACTORS)), architecture)
    spec = json.loads(small.architecture.spec)
    write_raw_zoo(path, "zoo", {"network": spec}, small_models(models, small, NAMES), small.architecture)
    with zipfile.ZipFile(path) as archive:
        layers = json.loads(archive.read("zoo/config.json"))["network"]["layers"]
        for model, (name, activation) in enumerate(zip(NAMES, (nn.Tanh, nn.Sigmoid), strict=True)):
            network = plain(layers, activation)
            stored = archive.read(f"zoo/{name},ratio=0.5/checkpoint_000001/checkpoints")
            network.load_state_dict(torch.load(BytesIO(stored), weights_only=True))
            expected = masked(shard, model, 1)(data.test.images)
            torch.testing.assert_close(network(data.test.images), expected, rtol=0, atol=LOGITS)
    imported = import_zoo(path, spec, None, 2, TorchEngine(), data.test)  # a zoo like any other
    assert not imported.models.reason.any()
    assert imported.models.test_accuracy.tolist() == pytest.approx(shard.twins("test_accuracy")[:, 1, -1].tolist())


def test_sizes_and_latencies_of_both_forms(tmp_path, data):
    of_channels, channel_settings = shard_of(tmp_path, "channels", data)
    of_mp, mp_settings = shard_of(tmp_path, "mp", data)
    architecture, zoo = (
        get_architecture("cnn_s", 1),
        make_zoo(methods={"channels": channel_settings, "mp": mp_settings}),
    )
    small = {"channels": [small_twins(architecture, [of_channels])]}
    shards = {"channels": of_channels, "mp": of_mp}
    table = sizes(zoo, shards, small, architecture, "tanh", data.test.images).set_index(["method", "point"])
    assert (table["bytes"] == 4 * 2464).all()
    half = table.loc["channels", 50]
    assert half["small_bytes"] == 4 * (704 + 4 + 3 + 2 + 10 + 10)
    assert half["channel_sparsity"] == pytest.approx(0.5)
    assert table.loc["mp", ["channel_sparsity", "small_bytes", "small_latency"]].isna().all(axis=None)
    assert (table["latency"] > 0).all()
    assert half["small_latency"] > 0


def test_networks_that_are_no_chain_are_refused():
    with pytest.raises(InputError, match="resnet20: only networks whose layers follow one another"):
        narrowed(get_architecture("resnet20", 3, image_size=32), {})


@pytest.mark.parametrize("name", ["cnn_s", "cnn_l", "lenet_300_100", "lenet_5", "small_cnn"])
def test_a_chain_with_its_own_widths_is_the_same_network(name):
    whole = get_architecture(name, 1, image_size=28 if name != "cnn_l" else 32)
    same = narrowed(whole, {})
    assert list(same.parameter_shapes.values()) == list(whole.parameter_shapes.values())
    assert [type(step) for _, step in same.chain] == [type(step) for _, step in whole.chain]
