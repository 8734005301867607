"""Factors, names and initial weights of a zoo to be trained."""

from collections import Counter
from dataclasses import replace

import pytest
import torch

from plain_networks import Network
from zootwins.architectures.architecture import get_architecture, to_state_dict
from zootwins.population import Factors
from zootwins.population.initialisation import INITIALISERS, initial_parameters
from zootwins.run.errors import InputError
from zootwins.zoos import sources
from zootwins.zoos.sources import TrainSource
from zootwins.zoos.training import generating_factors, model_names

SEEDS = TrainSource(
    seeds=4, activation=("tanh",), init=("uniform",), optimizer=("adam",), lr=(3e-4,), weight_decay=(0.0,)
)
GRID = TrainSource(
    seeds=10,
    activation=("tanh", "relu", "sigmoid", "gelu"),
    init=("uniform", "normal", "kaiming_uniform", "kaiming_normal"),
    optimizer=("adam", "sgd"),
    lr=(1e-3, 1e-4),
    weight_decay=(1e-3, 1e-4),
    dropout=(0.0, 0.5),
    seed_mode="drawn",
)


def authors_weights(architecture, factors: Factors) -> dict[str, torch.Tensor]:
    """The order of the authors' code: seed, build (which draws), then initialise the modules in order."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(factors.seed)
        network = Network(architecture, factors.activation, factors.dropout)
        for module in network.module_list:
            if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
                INITIALISERS[factors.init](module.weight)
                module.bias.data.fill_(0.01)
        return network.state_dict()


@pytest.mark.parametrize("init", INITIALISERS)
@pytest.mark.parametrize(("name", "channels", "dropout"), [("cnn_s", 1, 0.0), ("cnn_s", 3, 0.5), ("cnn_l", 3, 0.0)])
def test_initial_weights_are_those_of_the_authors_code(name, channels, dropout, init):
    architecture = get_architecture(name, channels)
    factors = Factors(7, "gelu", init, "adam", 1e-3, 0.0, 0.9, dropout, 10)
    state = to_state_dict(initial_parameters(architecture, factors), architecture, dropout)
    expected = authors_weights(architecture, factors)
    assert list(state) == list(expected)
    assert all(torch.equal(state[key], expected[key]) for key in expected)


def test_the_catalogue_names_the_initialisers_that_there_are():
    assert tuple(INITIALISERS) == sources.INITIALISERS


def test_a_grid_may_vary_the_penalty_of_squares():
    values = SEEDS.model_dump()
    grid = TrainSource(**values | {"l2": [0.0, 1e-4]})
    assert (grid.models, SEEDS.models) == (8, 4)
    assert [factors.l2 for factors in generating_factors(grid)] == [0.0] * 4 + [1e-4] * 4
    assert model_names(grid)[-1] == "NN_tune_trainable_00007_l2=0.0001,seed=4"
    assert [factors.l2 for factors in generating_factors(TrainSource(**values | {"l2": 1e-3}))] == [1e-3] * 4


def test_initialisation_leaves_global_random_state_alone():
    before = torch.random.get_rng_state()
    initial_parameters(get_architecture("cnn_s", 1), generating_factors(SEEDS)[0])
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("unknown", "message"),
    [({"init": "he_normal"}, "initialiser is 'he_normal'"), ({"seed": None}, "seed is not recorded")],
)
def test_weights_that_cannot_be_made_again_are_refused(unknown, message):
    factors = replace(next(iter(generating_factors(SEEDS))), **unknown)
    with pytest.raises(InputError, match=f"a model's {message}.* factors: "):
        initial_parameters(get_architecture("cnn_s"), factors)


def test_a_seed_zoo_varies_the_seed_alone():
    factors = generating_factors(SEEDS)
    assert [each.seed for each in factors] == [1, 2, 3, 4]
    assert len({each.__class__(**vars(each) | {"seed": 0}) for each in factors}) == 1


def test_a_grid_has_every_combination_and_each_model_a_seed_of_its_own():
    factors = generating_factors(GRID)
    assert len(factors) == GRID.models == 2560
    assert len({tuple(vars(each).values())[1:] for each in factors}) == 256  # all but the seed
    assert len({each.seed for each in factors}) == 2560
    assert factors == generating_factors(GRID)


def test_shared_seeds_are_the_same_for_every_combination():
    shared = GRID.model_copy(update={"seed_mode": "shared"})
    seeds = {}
    for each in generating_factors(shared):
        seeds.setdefault(tuple(vars(each).values())[1:], []).append(each.seed)
    assert len(seeds) == 256
    assert all(of_combination == list(range(1, 11)) for of_combination in seeds.values())


@pytest.mark.parametrize("source", [SEEDS, GRID])
def test_names_sort_in_the_order_of_the_factors_and_are_distinct(source):
    names = model_names(source)
    assert names == sorted(set(names))
    assert len(names) == source.models


def test_names_tell_what_varies():
    assert model_names(SEEDS)[1] == "NN_tune_trainable_00001_seed=2"
    assert "activation=tanh,init=uniform,optimizer=adam,lr=0.001," in model_names(GRID)[0]


def test_momentum_is_a_factor_of_sgd_alone():
    assert {(each.optimizer, each.momentum) for each in generating_factors(GRID)} == {("adam", 0.0), ("sgd", 0.9)}


def test_a_sample_is_spread_over_the_grid_and_begins_with_a_smaller_one():
    large, small = (GRID.model_copy(update={"sample": sample}) for sample in (64, 16))
    assert large.models == 64
    names = model_names(large)
    assert names[:16] == model_names(small)
    assert len(set(names)) == 64
    assert set(names) < set(model_names(GRID))  # with the places, and so the seeds, that they have in the whole grid
    factors = generating_factors(large)
    assert (
        dict(zip(names, factors, strict=True)).items()
        <= dict(zip(model_names(GRID), generating_factors(GRID), strict=True)).items()
    )
    for factor in ("activation", "init", "optimizer", "lr", "weight_decay", "dropout"):
        counts = Counter(getattr(one, factor) for one in factors)
        assert min(counts.values()) >= 64 / len(getattr(GRID, factor)) / 2
