"""From training to tables with every registered network: shards, export, import, masks, resumption, averages."""

from dataclasses import replace

import pytest
import torch

from test_architectures import FACTORS, SMALL, images_for
from zootwins.analyses.metrics import collect_metrics
from zootwins.architectures.architecture import get_architecture, stored_architecture
from zootwins.experiments.soups.merging import merge
from zootwins.experiments.soups.phases import with_own_statistics
from zootwins.population import ImageData
from zootwins.population.torch_engine import TorchEngine
from zootwins.sparsifiers import magnitude_pruning
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.sparsifiers.sparsify import sparsify
from zootwins.storage.resume import Resume
from zootwins.storage.shards import read_shard, write_trajectory
from zootwins.zoos.exporting import shard_models
from zootwins.zoos.importing import import_zoo
from zootwins.zoos.originals import Originals
from zootwins.zoos.raw_zoo import write_raw_zoo
from zootwins.zoos.training import train_zoo

NAMES = ["NN_0", "NN_1"]
ENGINE = TorchEngine()
SETTINGS = magnitude_pruning.Settings(sparsities=(50.0,), epochs=2, lr=1e-3)


@pytest.fixture(params=SMALL)
def spec(request):
    return request.param


@pytest.fixture
def architecture(spec):
    return get_architecture(SMALL[spec][0], *SMALL[spec][1:])


@pytest.fixture
def data(architecture):
    splits = [images_for(architecture, samples) for samples in (24, 8, 30)]
    return ImageData(*(replace(split, images=split.images.float()) for split in splits))


def shard_of(tmp_path, method, trajectory, architecture, **more):
    path = tmp_path / f"{method}.safetensors"
    images = str(architecture.images).replace("'", '"')
    write_trajectory(path, method, trajectory, NAMES, [0, 1], metadata={"network": images}, **more)
    return read_shard(path)


class KilledError(Exception):
    """The run ends here."""


def killed_after(number):
    def on_epoch(epoch, epochs):
        if epoch == number:
            raise KilledError

    return on_epoch


def test_a_zoo_is_trained_stored_exported_imported_pruned_and_counted(tmp_path, spec, architecture, data):
    factors = [replace(one, dropout=0.0, batch_size=8) for one in FACTORS]
    trajectory = train_zoo(ENGINE, NAMES, factors, architecture, data, 1, "zoo")
    shard = shard_of(tmp_path, "trained", trajectory, architecture)
    assert stored_architecture(shard.path, SMALL[spec][0], shard.metadata["network"], shard.shapes) == architecture
    raw = shard_models([shard], dict(enumerate(factors)), architecture)
    write_raw_zoo(tmp_path / "zoo.zip", "zoo", {}, raw, architecture)
    zoo = import_zoo(tmp_path / "zoo.zip", SMALL[spec][0], None, 2, ENGINE, data.test)
    assert not zoo.models.reason.any()
    for name in architecture.tensor_shapes:
        assert torch.equal(zoo.parameters[name], shard.tensor(name)[:, -1]), name

    inputs = SparsifierInputs("zoo", Originals(architecture, NAMES, [0, 1], factors, zoo.parameters))
    method = get_sparsifier("mp")
    twins = sparsify(ENGINE, method, SETTINGS, inputs, data)
    resume = Resume(tmp_path / "state.safetensors", "digest")
    with pytest.raises(KilledError):
        sparsify(ENGINE, method, SETTINGS, inputs, data, resume=resume, on_epoch=killed_after(2))
    again = sparsify(ENGINE, method, SETTINGS, inputs, data, resume=Resume(resume.path, "digest"))
    for name, tensor in twins.tensors.items():
        assert torch.equal(again.tensors[name], tensor) or tensor.isnan().any(), name
    pruned = shard_of(tmp_path, "mp", twins, architecture, axes=method.axes(SETTINGS))
    weights = sum(int((pruned.tensor(name)[:, 1, -1] == 0).sum()) for name in architecture.weight_names)
    assert weights == 2 * round(architecture.weights / 2)
    if architecture.buffer_shapes:  # statistics move with the images, and are not pruned
        statistics = pruned.tensor("bn1.running_mean")
        assert not torch.equal(statistics[:, :, 0], statistics[:, :, -1])
        assert (statistics[:, 1, -1] != 0).all()

    metrics = collect_metrics(
        [pruned], zoo.predictions.numpy(), zoo.index.numpy(), architecture, method.curve(SETTINGS)
    )
    assert metrics.layers["layer"].unique().tolist() == [layer.name for layer in architecture.layers]
    last = metrics.scores.query("ratio == 0.5 and epoch == 2")
    assert last["sparsity"].tolist() == pytest.approx([round(architecture.weights / 2) / architecture.weights] * 2)


def test_averages_of_networks_have_statistics_of_their_own(architecture, data):
    factors = [replace(one, activation="relu", dropout=0.0) for one in FACTORS]
    trajectory = train_zoo(ENGINE, NAMES, factors, architecture, data, 1, "zoo")
    own = {name: trajectory.tensors[name][None, None, :, -1] for name in architecture.tensor_shapes}
    merged = merge(own)
    originals = Originals(architecture, NAMES[:1], [0], factors[:1], {})
    refreshed = with_own_statistics(originals, merged, data.train)
    for name in architecture.parameter_shapes:
        assert torch.equal(refreshed[name], merged[name])
    for name in architecture.buffer_shapes:
        assert not torch.equal(refreshed[name], merged[name]), name
        assert refreshed[name].shape == merged[name].shape
