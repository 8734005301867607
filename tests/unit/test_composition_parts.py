"""The parts by their names: what an allocation and a structure make of scores, exact to the weight."""

import pytest
import torch

from reference_data import architecture, weights
from zootwins.population.masks import keep_highest
from zootwins.sparsifiers.parts import ALLOCATIONS, SCORES, STRUCTURES, UPDATES, part

WEIGHTS = 2416


def masks_by(allocation, ratio, min_left=0):
    """Of magnitudes, as a composition makes them."""
    allocated, scores = part(ALLOCATIONS, allocation), {name: w.abs() for name, w in weights().items()}
    ratios = allocated.ratios(architecture(), ratio)
    return keep_highest(allocated.ranking(scores), ratio if ratios is None else ratios, min_left)


REACHING_ALL = [name for name in ALLOCATIONS if name != "extended"]  # which test_gradual_pruning is about


@pytest.mark.parametrize("name", REACHING_ALL)
@pytest.mark.parametrize("percent", [0, 50, 80, 90, 95, 98])
def test_an_allocation_prunes_exactly_what_is_asked(name, percent):
    masks = masks_by(name, percent / 100)
    lost = {of: int((~mask).sum()) for of, mask in masks.items()}
    if name in ("uniform", "rows"):
        assert lost == {of: round(percent / 100 * mask.numel()) for of, mask in masks.items()}
    else:
        assert sum(lost.values()) == round(percent / 100 * WEIGHTS)


@pytest.mark.parametrize("name", REACHING_ALL)
def test_min_left_protects_every_layer(name):
    assert all(mask.sum() >= 3 for mask in masks_by(name, 0.99, min_left=3).values())


def test_n_of_m_prunes_nothing_of_the_control():
    structure, scores = part(STRUCTURES, "n_of_m", n=1, m=4), {name: w.abs() for name, w in weights().items()}
    assert all(mask.all() for mask in structure.choose(scores, 0.0, 0).values())
    assert int(structure.choose(scores, 0.75, 0)["fc1.weight"].sum()) == 20 * 9


SETTINGS = {"kept_by": {"method": "mp"}, "n_of_m": {"n": 2, "m": 4}}


@pytest.mark.parametrize("table", [SCORES, ALLOCATIONS, STRUCTURES, UPDATES])
def test_every_name_is_a_part(table):
    for name in table:
        assert part(table, name, **SETTINGS.get(name, {})) is not None


class Twins:
    """A state of one twin whose images and derivatives are given."""

    def __init__(self, **answers):
        self.weights, self.answers = weights(), answers
        self.population = type("Twin", (), {"masks": {}, "architecture": architecture()})

    def parts(self, size, what):
        return [(slice(None), self)]

    def images(self, count, name, per_class=False):
        return range(count)

    def __getattr__(self, name):
        return lambda *_: self.answers[name]


def products_of(inputs):
    return {name: of_layer.double().mT @ of_layer.double() for name, of_layer in inputs.items()}


def test_obcs_score_and_update_leave_the_outputs_closest():
    generator = torch.Generator().manual_seed(5)
    inputs = {name: torch.randn(1, 1024, w[0, 0].numel(), generator=generator) for name, w in weights().items()}
    inputs = {
        name: of_layer @ torch.randn(of_layer.shape[2], of_layer.shape[2], generator=generator)
        for name, of_layer in inputs.items()
    }
    state = Twins(input_products=products_of(inputs))
    errors = {}
    for method, score, update in (("obc", "removal_costs", "least_squares"), ("mp", "magnitude", None)):
        masks = keep_highest(part(SCORES, score)(state), dict.fromkeys(weights(), 0.8))
        changed = part(UPDATES, update)(state, {}, masks) if update else weights()
        for name, weight in weights().items():
            difference = (changed[name] * masks[name] - weight).flatten(2)
            error = (inputs[name].double() @ difference.mT).square().mean()
            errors[method, name] = float(error)
    assert all(errors["obc", name] < 0.9 * errors["mp", name] for name in weights())


def test_wandas_score_takes_the_norms_of_the_inputs():
    inputs = {name: torch.zeros(1, 7, w[0, 0].numel()) for name, w in weights().items()}
    for of_layer in inputs.values():
        of_layer[..., 3] = 2.0
    scores = part(SCORES, "activation_weighted")(Twins(input_products=products_of(inputs)))
    for name, score in scores.items():
        expected = torch.zeros_like(score).flatten(2)
        expected[..., 3] = weights()[name].abs().flatten(2)[..., 3] * 2 * 7**0.5
        torch.testing.assert_close(score.flatten(2), expected)
    assert part(SCORES, "magnitude")(Twins())["fc1.weight"].shape == (1, 20, 36)
