"""Twins under one draw of their noise, against one model at a time (`reference`)."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from reference import VariationalNetwork
from synthetic import SETTINGS_OF, make_models, make_shard
from test_torch_engine import images, population
from zootwins.analyses.hypothesis_evidence import training_mode_predictions
from zootwins.population import batched_network
from zootwins.population.batched_network import noisy_predictions
from zootwins.population.randomness import normals
from zootwins.population.torch_engine import TorchEngine
from zootwins.population.variational import GaussianNoise
from zootwins.run.errors import InputError
from zootwins.sparsifiers.base import Point
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.storage.shards import Trajectory, read_shard, write_trajectory
from zootwins.zoos.originals import Originals


def variational(log_sigma2: float):
    plain, weights = population(), GaussianNoise(initial_log_sigma2=log_sigma2)
    return replace(plain, parameters=weights.start(plain.parameters), weights=weights)


def test_predictions_are_those_of_single_networks_fed_the_same_noise(monkeypatch):
    """In float64; blocks of models and samples that do not divide them change nothing."""
    of, data = variational(-2.0), images(population(), 30)
    monkeypatch.setattr(batched_network, "_MODELS_AT_ONCE", 4)
    monkeypatch.setattr(batched_network, "_SAMPLES_AT_ONCE", 7)
    found = noisy_predictions(of, data)
    for model, factors in enumerate(of.factors):
        parameters = {name: tensor[model] for name, tensor in of.parameters.items()}
        network = VariationalNetwork(of.architecture, factors.activation, parameters, -2.0, gale=False)
        noise = normals(of.keys[model : model + 1], 0, 0, len(data), of.architecture.noise_offsets[-1])[0].double()
        assert torch.equal(found[model].long(), network(data.images, noise).argmax(1))
    assert not torch.equal(found, TorchEngine().evaluate(of, data).predictions)


def test_no_models_have_no_predictions():
    none = population([])
    weights = GaussianNoise()
    empty = replace(none, parameters=weights.start(none.parameters), weights=weights)
    assert noisy_predictions(empty, images(population(), 30)).shape == (0, 30)


def shards_and_originals(folder):
    """Two shards of three models each, and their originals."""
    models = make_models(6)
    parts = [models.iloc[:3], models.iloc[3:]]
    shards = [make_shard(folder / f"vd-{number}.safetensors", "vd", part) for number, part in enumerate(parts)]
    of = population()
    names = [name for shard in shards for name in shard.models]
    index = [number for shard in shards for number in shard.index]
    return shards, Originals(of.architecture, names, index, of.factors, of.parameters)


def test_models_keep_their_noise_whatever_shard_they_are_in(tmp_path):
    shards, originals = shards_and_originals(tmp_path)
    weights, data = get_sparsifier("vd").weights(SETTINGS_OF["vd"]), images(population(dtype=torch.float32), 20)
    point = Point(shards[0].states[-1], shards[0].states[-1])
    whole = training_mode_predictions(shards, point, originals, weights, "mini", data)
    last = training_mode_predictions(shards[1:], point, originals.at([3, 4, 5]), weights, "mini", data)
    assert whole.shape == (6, 20)
    np.testing.assert_array_equal(whole[3:], last)


def test_weights_that_were_not_kept_are_told(tmp_path):
    shards, originals = shards_and_originals(tmp_path)
    shard = shards[0]
    tensors = {name: shard.tensor(name)[:, -1:] if "." in name else shard.tensor(name) for name in shard.shapes}
    trajectory = Trajectory(shard.states, shard.states[-1:], shard.prediction_states, tensors)
    write_trajectory(shard.path, "vd", trajectory, shard.models, shard.index)
    weights, data = get_sparsifier("vd").weights(SETTINGS_OF["vd"]), images(population(dtype=torch.float32), 5)
    with pytest.raises(InputError, match="no weights of epoch 1; set keep_states: all"):
        training_mode_predictions([read_shard(shard.path)], Point(1, 1), originals, weights, "mini", data)
