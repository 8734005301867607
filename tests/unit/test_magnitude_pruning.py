"""Masks against torch.nn.utils.prune; pruned weights stay exactly zero."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune

from test_torch_engine import factors, images, population
from zootwins.architectures.architecture import get_architecture
from zootwins.population import ImageData
from zootwins.population.masks import pruning_masks
from zootwins.population.torch_engine import TorchEngine
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.sparsifiers.magnitude_pruning import MagnitudePruning, Settings
from zootwins.sparsifiers.sparsify import sparsify
from zootwins.zoos.originals import Originals

METHOD = MagnitudePruning()
SETTINGS = Settings(sparsities=(90, 50), epochs=2, lr=1e-2)


def weights(name="cnn_s", models=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    architecture = get_architecture(name, 3 if name == "cnn_l" else 1)
    return {
        f"{layer.name}.weight": torch.randn(models, *layer.weight_shape, generator=generator)
        for layer in architecture.layers
    }


@settings(deadline=None, max_examples=30)
@given(
    st.sampled_from(["cnn_s", "cnn_l"]),
    st.floats(0.001, 0.999),
    st.sampled_from(["global", "layer"]),
    st.integers(0, 100),
)
def test_masks_equal_those_of_torch(name, ratio, scope, seed):
    tensors = weights(name, seed=seed)
    masks = pruning_masks(tensors, ratio, scope)
    for model in range(2):
        modules = nn.ModuleDict({key.split(".")[0]: nn.Module() for key in tensors})
        for key, tensor in tensors.items():
            modules[key.split(".")[0]].weight = nn.Parameter(tensor[model].clone())
        if scope == "global":
            prune.global_unstructured(
                [(module, "weight") for module in modules.values()], prune.L1Unstructured, amount=ratio
            )
        else:
            for module in modules.values():
                prune.l1_unstructured(module, "weight", amount=ratio)
        for key, mask in masks.items():
            assert torch.equal(mask[model], modules[key.split(".")[0]].weight_mask.bool())


@given(st.integers(1, 99), st.sampled_from(["global", "layer"]))
def test_exactly_the_asked_for_number_goes_even_among_equals(percent, scope):
    masks = pruning_masks({name: torch.ones_like(w) for name, w in weights().items()}, percent / 100, scope)
    sizes = [mask[0].numel() for mask in masks.values()]
    expected = [round(percent / 100 * size) for size in (sizes if scope == "layer" else [sum(sizes)])]
    assert sum(int((~mask[0]).sum()) for mask in masks.values()) == sum(expected)


@pytest.fixture(scope="module")
def originals():
    of = population([factors(0), factors(1, "relu", "sgd", weight_decay=0.1)], dtype=torch.float32)
    return Originals(of.architecture, ["a", "b"], [0, 1], of.factors, of.parameters)


@pytest.fixture(scope="module")
def trajectory(originals):
    of = METHOD.population(SparsifierInputs("zoo", originals), SETTINGS)
    data = ImageData(images(of, 24), images(of, 8), images(of, 30, seed=2))
    return sparsify(TorchEngine(), METHOD, SETTINGS, SparsifierInputs("zoo", originals), data)


def test_pruned_weights_are_zero_at_every_state(trajectory):
    """Under weight decay, Adam and momentum alike; the others move."""
    assert trajectory.tensors["conv2.weight"].shape == (2, 3, 3, 6, 8, 5, 5)
    for name in weights():
        mask = trajectory.tensors[f"mask.{name}"]
        for state in range(3):
            assert (trajectory.tensors[name][:, :, state][~mask] == 0).all()
        assert (trajectory.tensors[name][:, :, 2] != trajectory.tensors[name][:, :, 0])[mask].float().mean() > 0.99


def test_the_control_is_not_pruned_and_state_0_is_before_fine_tuning(trajectory, originals):
    for name in weights():
        assert trajectory.tensors[f"mask.{name}"][:, 0].all()
        assert torch.equal(trajectory.tensors[name][:, 0, 0], originals.parameters[name])
    total = sum(mask.flatten(2).sum(2) for name, mask in trajectory.tensors.items() if name.startswith("mask."))
    assert total.tolist() == [[2416, 1208, 2416 - round(0.9 * 2416)]] * 2
    assert trajectory.tensors["predictions"].shape == (2, 3, 2, 30)


def test_originals_are_left_alone_and_ratios_draw_their_own_order(originals):
    before = copy.deepcopy(originals.parameters)
    of = METHOD.population(SparsifierInputs("zoo", originals), SETTINGS)
    assert len(set(of.keys.tolist())) == 6
    assert {f.lr for f in of.factors} == {1e-2}
    TorchEngine().train_epoch(of, images(of, 8), 1)
    assert all(torch.equal(originals.parameters[name], before[name]) for name in before)


def test_a_learning_rate_of_none_is_each_models_own(originals):
    own = METHOD.population(SparsifierInputs("zoo", originals), Settings(sparsities=(50,), epochs=1))
    assert {f.lr for f in own.factors} == {3e-3}
