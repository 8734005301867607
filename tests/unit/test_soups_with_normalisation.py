"""Soups of networks with batch normalisation, with and without recomputed statistics, against the plain modules."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from test_architectures import FACTORS, SMALL, images_for
from test_soups import SETTINGS
from zootwins.architectures.architecture import get_architecture
from zootwins.experiments.soups.evaluation import ArmShards, barrier, pair_scores, scores
from zootwins.experiments.soups.gains import UNRECOMPUTED
from zootwins.experiments.soups.phases import Dense, axes_of, make_soups
from zootwins.experiments.soups.recipes import Recipe
from zootwins.population import ImageData
from zootwins.population.initialisation import initial_parameters
from zootwins.population.torch_engine import TorchEngine
from zootwins.storage.shards import read_shard, write_trajectory
from zootwins.zoos.originals import Originals

ENGINE = TorchEngine()
ARCHITECTURE = get_architecture(SMALL["resnet20"][0], *SMALL["resnet20"][1:])


@pytest.fixture(scope="module")
def data():
    splits = [images_for(ARCHITECTURE, samples) for samples in (48, 8, 60)]
    return ImageData(*(replace(split, images=split.images.float()) for split in splits))


@pytest.fixture(scope="module")
def arm_shards(tmp_path_factory, data):
    factors = [replace(FACTORS[0], activation="relu", dropout=0.0, init="kaiming_normal", seed=1)]
    initial = initial_parameters(ARCHITECTURE, factors[0])
    originals = Originals(ARCHITECTURE, ["a"], [0], factors, {name: tensor[None] for name, tensor in initial.items()})
    settings = SETTINGS.model_copy(update={"goals": (60,), "phases": 1, "epochs": 2, "lr": 0.05})
    recipe = Recipe.of(settings, "constant", 2)
    shards = {}
    for arm, trajectory in make_soups(ENGINE, Dense("zoo", originals, [1]), data, recipe).items():
        path = tmp_path_factory.mktemp(arm) / "0000-0000.safetensors"
        write_trajectory(path, arm, trajectory, ["a"], [0], axes=axes_of(recipe, trajectory))
        shards[arm] = read_shard(path)
    return ArmShards(shards, originals)


def accuracy(tensors, images) -> float:
    """Of the plain module."""
    network = ARCHITECTURE.module("relu").eval()
    network.load_state_dict(tensors)
    with torch.no_grad():
        return (network(images.images).argmax(1) == images.labels).double().mean().item()


def test_soups_have_scores_with_and_without_recomputed_statistics(arm_shards, data):
    table = scores(ENGINE, arm_shards, data.test).set_index("arm")["test_accuracy"]
    members = {name: tensor[0, 0] for name, tensor in arm_shards.networks("member", 1).items()}
    mean = {name: tensor.double().mean(0).to(tensor.dtype) for name, tensor in members.items()}
    assert table[UNRECOMPUTED] == pytest.approx(accuracy(mean, data.test))
    averaged, soup = arm_shards.networks("soup", 1), mean
    for name in ARCHITECTURE.parameter_shapes:
        assert torch.equal(averaged[name][0, 0, 0], soup[name])
    assert not torch.equal(averaged["bn1.running_var"][0, 0, 0], mean["bn1.running_var"])
    recomputed = {name: tensor[0, 0, 0] for name, tensor in averaged.items()}
    assert table["soup"] == pytest.approx(accuracy(recomputed, data.test))


def test_barriers_without_recomputed_statistics_are_those_of_the_line_of_state_dicts(arm_shards, data):
    found = pair_scores(ENGINE, arm_shards, data).squeeze()
    ends = {name: tensor[0, 0] for name, tensor in arm_shards.networks("member", 1).items()}
    line = [
        accuracy(
            {n: torch.lerp(t[0], t[1], k / 10) if t.is_floating_point() else t[1] for n, t in ends.items()}, data.test
        )
        for k in range(11)
    ]
    assert found["barrier_unrecomputed"] == pytest.approx(barrier(np.array(line)))
    assert not np.isnan(found["barrier"])
