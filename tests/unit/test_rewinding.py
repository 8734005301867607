"""Rewinding to an epoch of the originals' training is what a plain loop does; missing epochs are refused."""

from dataclasses import replace

import pytest
import torch
import yaml
from torch.nn import functional as F
from torch.nn.utils import prune

from projects import REPOSITORY
from raw_zoos import CNN_S, UNIFORM
from reference import network_of, optimizer_for
from test_initial_weights import originals_of
from test_torch_engine import factors, images, population
from zootwins.catalogue.entries import load_run
from zootwins.catalogue.files import Files
from zootwins.population import ImageData
from zootwins.population.randomness import data_order
from zootwins.population.torch_engine import TorchEngine
from zootwins.run.errors import InputError
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.sparsifiers.sparsify import sparsify
from zootwins.zoos.identity import lacks_epoch
from zootwins.zoos.initial import read_checkpoints
from zootwins.zoos.originals import Originals

ROUNDING = 1e-10  # of float64 over some dozens of steps
EPOCH = 3
FACTORS = [factors(0), factors(1, "relu", "sgd")]


def plain_rounds(trained, earlier, of, data, key, rounds, epochs, ratio):
    """Iterative magnitude pruning of one model by torch.optim and torch.nn.utils.prune; returns weights by module."""
    network, epoch = trained, 0
    modules = [module for module in network.module_list if hasattr(module, "weight")]
    before = [module for module in earlier.module_list if hasattr(module, "weight")]
    total = sum(module.weight.numel() for module in modules)
    for number in range(1, rounds + 1):
        left = [(1 - ratio) ** (k / rounds) for k in (number - 1, number)]
        network(data.images[:1])  # which makes the masked weights anew
        gone = round((1 - left[1]) * total) - (round((1 - left[0]) * total) if number > 1 else 0)
        prune.global_unstructured([(module, "weight") for module in modules], prune.L1Unstructured, amount=gone)
        with torch.no_grad():
            for module, start in zip(modules, before, strict=True):
                module.weight_orig.copy_(start.weight * module.weight_mask)
                module.bias.copy_(start.bias)
        optimizer = optimizer_for(network.parameters(), of)
        for _ in range(epochs // rounds):
            epoch += 1
            for chosen in data_order(key, epoch, len(data))[0].split(of.batch_size):
                optimizer.zero_grad()
                F.cross_entropy(network(data.images[chosen]), data.labels[chosen]).backward()
                optimizer.step()
    return [(module.weight_orig * module.weight_mask).detach() for module in modules]


@pytest.mark.parametrize("model", range(2))
def test_imp_with_rewinding_is_a_plain_loop(model):
    own = [FACTORS[model]]
    trained = population(own)
    earlier = replace(trained, parameters={name: tensor / 2 + 0.01 for name, tensor in trained.parameters.items()})
    data = images(trained, 48)
    sparsifier = get_sparsifier("imp")
    settings = sparsifier.Settings(sparsities=(80,), epochs=6, rounds=3, rewind_epoch=EPOCH, min_left=0)
    assert sparsifier.earlier_epochs(settings) == (EPOCH,)
    originals = Originals(trained.architecture, ["a"], [0], own, trained.parameters)
    inputs = SparsifierInputs("zoo", originals, {}, {EPOCH: earlier.parameters})
    tensors = sparsify(TorchEngine(), sparsifier, settings, inputs, ImageData(data, data, data)).tensors
    key = sparsifier.population(inputs, settings).keys[1:]  # of the sparse twin
    networks = (network_of(one, 0) for one in (trained, earlier))
    expected = plain_rounds(*networks, own[0], data, key, 3, 6, 0.8)
    for name, weight in zip(trained.architecture.weight_names, expected, strict=True):
        torch.testing.assert_close(tensors[name][0, 1, -1], weight, rtol=0, atol=ROUNDING)


def test_lottery_tickets_may_start_late():
    sparsifier = get_sparsifier("lottery")
    settings = sparsifier.Settings(sparsities=(80,), rewind_epoch=EPOCH)
    inputs = SparsifierInputs("zoo", None, {}, {EPOCH: {"fc1.weight": torch.ones(1)}})
    assert sparsifier.earlier_epochs(settings) == (EPOCH,)
    assert sparsifier.parameters(inputs, settings) == inputs.earlier[EPOCH]


def test_checkpoints_of_an_epoch_are_those_of_the_zoo():
    originals = originals_of(UNIFORM)
    first, later, last = (read_checkpoints(UNIFORM, "zoo", originals, epoch=epoch) for epoch in (0, 25, 50))
    for name in CNN_S.parameter_shapes:
        assert torch.equal(last[name], originals.parameters[name])
        assert not torch.equal(later[name], first[name])
        assert not torch.equal(later[name], last[name])
    assert not lacks_epoch(UNIFORM, 25)
    assert lacks_epoch(UNIFORM, 5)
    with pytest.raises(InputError, match=r"weights of epoch 5 are unknown .* set rewind_epoch to an epoch that has"):
        read_checkpoints(UNIFORM, "zoo", originals, epoch=5)


def configured(**changes):
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
    section = config["iterative_pruning"] | {"rewind_epoch": EPOCH}
    return config | {"methods": ["mp", "imp"], "iterative_pruning": section, "zoos": ["fmnist_mini_seeds"]} | changes


def test_zoos_that_are_trained_here_keep_the_epoch():
    run = load_run(configured(), REPOSITORY)
    files = Files(run, REPOSITORY, lambda find, name, *read: str(find(name)))
    needed = files.needed_by_twins("fmnist_mini_seeds", "imp", "0000-0015")
    assert needed == {"epoch_3": "results/zoos/fmnist_mini_seeds/epoch-3.safetensors"}
    assert files.raw_zoo_with_epoch("fmnist_mini_seeds", "3") == "results/exports/fmnist_mini_seeds/trained.zip"
    with pytest.raises(InputError, match="iterative_pruning: takes weights of epoch 3, which only keep_states: all"):
        load_run(configured(keep_states="final"), REPOSITORY)


def test_epochs_that_there_are_not_are_refused_when_the_run_is_planned():
    late = configured()["iterative_pruning"] | {"rewind_epoch": 26}
    with pytest.raises(InputError, match="takes weights of epoch 26, but the originals are of epoch 25; set rewind_"):
        load_run(configured(iterative_pruning=late), REPOSITORY)
    run = load_run(configured(zoos=["fmnist_mini_seed"]), REPOSITORY)
    files = Files(run, REPOSITORY, lambda find, name, *read: str(find(name)))
    with pytest.raises(InputError, match="has no checkpoints of epoch 3, whose weights a method of fmnist_mini_seed"):
        files.raw_zoo_with_epoch("fmnist_mini_seed", "3")
