"""Scores and updates that need much memory take twins and rows in parts, and come to the same."""

import pytest
import torch

from test_torch_engine import factors, images, population
from zootwins.population import ImageData
from zootwins.population.torch_engine import TorchEngine
from zootwins.population.trajectory import Moment
from zootwins.run.errors import InputError
from zootwins.sparsifiers import state as state_module
from zootwins.sparsifiers import updates as updates_module
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.sparsifiers.parts import SCORES, UPDATES, part
from zootwins.sparsifiers.state import State

ROUNDING = 1e-9  # float64, other sizes of batches


@pytest.fixture(scope="module")
def state():
    of = population([factors(0), factors(1, "relu"), factors(2)])
    data = images(of, 16)
    masks = {name: of.parameters[name].abs() > 0.1 for name in of.architecture.weight_names}
    of.set_masks(masks)
    inputs = SparsifierInputs("zoo", None, data=ImageData(data, data, data), engine=TorchEngine())
    return State(of, Moment(1, 0, 2, 1), inputs, ())


@pytest.mark.parametrize("name", ["activation_weighted", "fisher", "removal_costs"])
def test_scores_of_parts_are_those_of_the_whole(name, state, monkeypatch):
    score = part(SCORES, name, images=16)
    whole = score(state)
    monkeypatch.setattr(state_module, "_AT_ONCE", 1)  # a twin at a time
    monkeypatch.setattr(updates_module, "_AT_ONCE", 1)  # and a row
    assert [twins.start for twins, _ in state.parts(1000, "it")] == [0, 1, 2]
    torch.testing.assert_close(score(state), whole, rtol=ROUNDING, atol=0)


@pytest.mark.parametrize("name", ["fisher", "least_squares"])
def test_updates_of_parts_are_those_of_the_whole(name, state, monkeypatch):
    update, new = (
        part(UPDATES, name, images=16),
        {n: mask & (torch.rand(mask.shape) < 0.5) for n, mask in state.population.masks.items()},
    )
    whole = update(state, state.population.masks, new)
    monkeypatch.setattr(state_module, "_AT_ONCE", 1)
    monkeypatch.setattr(updates_module, "_AT_ONCE", 1)
    torch.testing.assert_close(update(state, state.population.masks, new), whole, rtol=ROUNDING, atol=ROUNDING)


def test_parts_do_not_cut_what_is_computed_together(state, monkeypatch):
    monkeypatch.setattr(state_module, "_AT_ONCE", 40)
    monkeypatch.setattr(state.population, "factors", [factors(0)] * 50)
    assert [twins.start for twins, _ in state.parts(1, "it")] == [0, 32]


def test_one_twin_that_is_too_large_is_refused_with_the_bytes(state):
    with pytest.raises(InputError, match=r"the Hessian of one twin of cnn_s takes 1000000\.0 GB, and this machine has"):
        next(state.parts(10**15, "the Hessian"))
