"""Twins as others load them: what was evaluated, and not what was trained."""

import pytest
import torch

from test_exporting import DATA, ENGINE, NAMES, ORIGINALS
from zootwins.population import Population, layer_sparsity
from zootwins.run.errors import InputError
from zootwins.run.provenance import record
from zootwins.sparsifiers.base import Sparsifier, SparsifierInputs
from zootwins.sparsifiers.registry import REGISTRY, get_sparsifier
from zootwins.sparsifiers.sparsify import sparsify
from zootwins.sparsifiers.twins import evaluated_parameters
from zootwins.storage.shards import cut_model, read_shard, write_trajectory

SETTINGS = {
    "mp": {"sparsities": (50.0,), "epochs": 1},
    "vd": {"epochs": 1, "threshold": -4.0},  # some weights below and some above so soon
    "vds": {"epochs": 1, "penalties": (1.0, 10.0), "threshold": -4.0, "ramp": 0},
    "vdg": {"epochs": 1, "penalties": (1.0, 10.0), "threshold": -4.0, "ramp": 0},
    "l0": {"epochs": 1, "penalties": (10.0, 100.0), "initial_log_alpha": -2.4, "initial_spread": 0.5, "ramp": 0},
    "str": {"epochs": 1, "penalties": (1.0, 10.0), "initial_s": -2.0, "ramp": 0},
    "dpf": {"epochs": 1, "sparsities": (50.0, 80.0), "end": 0, "every": 1},
}
STORED = [method for method in REGISTRY if type(get_sparsifier(method)).weights is not Sparsifier.weights]


def shard_of(tmp_path, method, weight_states=None, **metadata):
    sparsifier = get_sparsifier(method)
    settings = sparsifier.Settings(**SETTINGS[method])
    trajectory = sparsify(ENGINE, sparsifier, settings, SparsifierInputs("zoo", ORIGINALS), DATA, weight_states)
    metadata = metadata or record({"settings": settings.model_dump()})
    axes = sparsifier.axes(settings)
    write_trajectory(tmp_path / "a.safetensors", method, trajectory, NAMES, [0, 2], axes=axes, metadata=metadata)
    return read_shard(tmp_path / "a.safetensors")


@pytest.mark.parametrize("weight_states", [None, (1,)], ids=["all states", "final state"])
@pytest.mark.parametrize("method", ["mp", *STORED])
def test_evaluated_twins_are_as_sparse_and_as_good_as_recorded(tmp_path, method, weight_states):
    shard = shard_of(tmp_path, method, weight_states)
    parameters = evaluated_parameters(shard)
    assert parameters.keys() == ORIGINALS.parameters.keys()
    grid = (len(NAMES), *(len(axis.values) for axis in shard.axes), len(shard.weight_states))
    flat = {name: tensor.flatten(0, len(grid) - 1) for name, tensor in parameters.items()}
    sparsity = layer_sparsity(flat, ORIGINALS.architecture)
    kept = [shard.states.index(state) for state in shard.weight_states]
    assert torch.equal(sparsity.unflatten(0, grid).float(), shard.tensor("sparsity")[..., kept, :].float())
    assert 0 < sparsity[-1].mean() < 1
    lanes = [own for own in ORIGINALS.factors for _ in range(len(sparsity) // len(NAMES))]
    twins = Population(ORIGINALS.architecture, lanes, torch.zeros(len(lanes), dtype=torch.int64), flat)
    accuracy = ENGINE.evaluate(twins, DATA.test).accuracy.unflatten(0, grid)
    assert torch.equal(accuracy, shard.tensor("test_accuracy")[..., kept])
    cut_model(tmp_path / "cut.safetensors", [shard], NAMES[1])
    cut = evaluated_parameters(read_shard(tmp_path / "cut.safetensors"))
    one = evaluated_parameters(shard, 1)
    for name, tensor in parameters.items():
        assert torch.equal(one[name], tensor[1])
        assert torch.equal(cut[name], tensor[1:])


def test_twins_of_unknown_settings_are_refused(tmp_path):
    shard = shard_of(tmp_path, "vd", engine="torch")
    with pytest.raises(InputError, match="do not have the settings"):
        evaluated_parameters(shard)
