"""What compositions do to twins at a moment: to which twins, in which order, and what it leaves alone."""

import logging
from dataclasses import dataclass, field

import pytest
import torch

from test_torch_engine import factors, images, population
from zootwins.population import ImageData
from zootwins.population.torch_engine import TorchEngine
from zootwins.population.trajectory import Moment
from zootwins.sparsifiers.allocations import Uniform
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.sparsifiers.changes import change
from zootwins.sparsifiers.composition import Composition, Schedule
from zootwins.sparsifiers.scores import Magnitude
from zootwins.sparsifiers.state import State
from zootwins.zoos.originals import Originals

PLACES = [{"ratio": 0.0}, {"ratio": 0.5}, {"ratio": 0.9}]
FIRST = Moment(1, 0, 3, 4)


def twins():
    """Two models, each at three sparsities, after an epoch of training."""
    of = population([factors(0)] * 6, dtype=torch.float32)
    of.parameters = {name: p[:2].repeat_interleave(3, dim=0).clone() for name, p in of.parameters.items()}
    data = images(of, 24)
    TorchEngine().train_epoch(of, data, 1)
    initial = {name: torch.full_like(p[:2], 0.5) for name, p in of.parameters.items()}
    originals = Originals(
        of.architecture, ["a", "b"], [0, 1], of.factors[:2], {n: p[::3] for n, p in of.parameters.items()}
    )
    inputs = SparsifierInputs("zoo", originals, {}, {0: initial}, ImageData(data, data, data), TorchEngine())
    return State(of, FIRST, inputs, PLACES)


def pruned(state):
    """How many weights each twin lost, `[models, places]`."""
    masks = torch.cat([mask.flatten(1) for mask in state.population.masks.values()], dim=1)
    return (~masks).sum(1).view(2, 3).tolist()


@dataclass(frozen=True)
class Recorded:
    """Magnitudes; notes how many weights were masked when it was asked."""

    seen: list = field(default_factory=list, hash=False, compare=False)

    def __call__(self, state):
        masks = state.population.masks.values()
        self.seen.append(sum(int((~mask).sum()) for mask in masks))
        return Magnitude()(state)


@dataclass(frozen=True)
class Doubled:
    """Doubles all weights."""

    def __call__(self, state, old, new):
        return {name: 2 * weight for name, weight in state.weights.items()}


@dataclass(frozen=True)
class Does(Schedule):
    """Its settings."""

    due: float | None = None
    rounds: int = 1
    share: float = 0.0
    back: bool = False
    rewind_epoch: int | None = 0
    fresh: bool = False

    def progress(self, moment, ratio):
        return self.due

    def exchange(self, moment):
        return self.share

    def rewinds(self, moment):
        return self.back

    def resets_moments(self, moment):
        return self.fresh


def applied(*compositions, before=None):
    """The twins before and after; one composition is that of all places."""
    state = twins()
    if before:
        change([before] * 3, state)
    untouched = {
        kind: {n: t.clone() for n, t in named.items()} for kind, named in state.population.state_dict().items()
    }
    change(compositions * (3 // len(compositions)), state)
    return untouched, state


def equal(untouched, state, rows) -> bool:
    now = state.population.state_dict()
    return all(
        torch.equal(tensor[rows], now[kind][name][rows])
        for kind, named in untouched.items()
        for name, tensor in named.items()
    )


def test_each_place_has_its_ratio_and_one_score_is_asked_once():
    score = Recorded()
    _, state = applied(Composition(score, schedule=Does(1.0)))
    assert pruned(state) == [[0, 1208, 2174]] * 2
    assert len(score.seen) == 1


def test_places_may_differ_by_their_parts():
    one, other = Composition(Magnitude(), schedule=Does(1.0)), Composition(Magnitude(), Uniform(), Does(0.5))
    _, state = applied(one, one, other)
    sizes = [mask[0].numel() for mask in state.population.masks.values()]
    assert pruned(state) == [[0, 1208, sum(round(0.45 * size) for size in sizes)]] * 2


def test_twins_that_nothing_is_due_for_stay_to_the_bit():
    untouched, state = applied(Composition(Magnitude(), schedule=Does()))
    assert equal(untouched, state, slice(None))
    everything = Does(1.0, back=True, fresh=True)
    untouched, state = applied(
        *[Composition(Magnitude(), schedule=Does())] * 2, Composition(Magnitude(), schedule=everything)
    )
    assert equal(untouched, state, [0, 1, 3, 4])
    assert pruned(state) == [[0, 0, 2174]] * 2


def test_rounds_score_anew_under_the_masks_so_far():
    score = Recorded()
    _, state = applied(Composition(score, schedule=Does(1.0, rounds=3)))
    assert pruned(state) == [[0, 1208, 2174]] * 2
    expected = [2 * sum(round((1 - (1 - ratio) ** (k / 3)) * 2416) for ratio in (0.5, 0.9)) for k in (0, 1, 2)]
    assert score.seen == expected


def test_what_is_masked_goes_first_unless_the_schedule_remembers():
    """Weights that were masked are 0 and would go first anyway; so the score is its opposite."""

    @dataclass(frozen=True)
    class Smallness:
        def __call__(self, state):
            return {name: -weight.abs() for name, weight in state.weights.items()}

    @dataclass(frozen=True)
    class Remembers(Does):
        remembers: bool = True

    before = Composition(Magnitude(), schedule=Does(0.5))
    nested, free = (
        applied(Composition(Smallness(), schedule=schedule(1.0)), before=before) for schedule in (Does, Remembers)
    )
    for (untouched, state), stays in ((nested, True), (free, False)):
        assert pruned(state) == [[0, 1208, 2174]] * 2
        inside = [(state.population.masks[n] & ~m).any() for n, m in untouched["masks"].items()]
        assert any(inside) != stays


def test_an_update_changes_the_weights_that_stay_of_sparse_twins():
    untouched, state = applied(Composition(Magnitude(), schedule=Does(1.0), update=Doubled()))
    for name, mask in state.population.masks.items():
        weights, old = state.population.parameters[name], untouched["parameters"][name]
        assert torch.equal(weights[0::3], old[0::3])
        assert torch.equal(weights[2::3], 2 * old[2::3] * mask[2::3])
    assert torch.equal(state.population.parameters["fc1.bias"], untouched["parameters"]["fc1.bias"])


def test_rewound_twins_have_initial_weights_under_the_masks_of_the_trained():
    untouched, state = applied(Composition(Magnitude(), schedule=Does(1.0, back=True)))
    for name, mask in state.population.masks.items():
        assert torch.equal(state.population.parameters[name], 0.5 * mask)
        kept = untouched["parameters"][name].abs().masked_fill(~mask, torch.inf).flatten(1).amin(1)
        assert (kept > 0).all()
    assert (state.population.parameters["fc1.bias"] == 0.5).all()
    assert state.population.optimizer_state["steps"].tolist() == [3] * 6


def test_a_fresh_optimiser_has_taken_no_steps():
    _, state = applied(Composition(Magnitude(), schedule=Does(fresh=True)))
    assert all((tensor == 0).all() for tensor in state.population.optimizer_state.values())


def test_an_exchange_keeps_the_counts_of_sparse_twins():
    """The score of the growth decides what comes: here what is small, as it was before."""

    @dataclass(frozen=True)
    class First:
        def __call__(self, state):
            return {n: torch.arange(w.numel(), 0, -1.0).view(w.shape) for n, w in state.weights.items()}

    before = Composition(Magnitude(), Uniform(), Does(1.0))
    untouched, state = applied(Composition(Magnitude(), schedule=Does(share=0.3), growth=First()), before=before)
    for name, mask in state.population.masks.items():
        old = untouched["masks"][name]
        assert torch.equal(mask.flatten(1).sum(1), old.flatten(1).sum(1))
        assert mask[0::3].all()
        for twin in (1, 2, 4, 5):
            count = int(0.3 * old[twin].sum() + 1e-9)
            weights = untouched["parameters"][name][twin].abs().masked_fill(~old[twin], torch.inf).flatten()
            kept = old[twin].flatten().clone()
            kept[weights.argsort()[:count]] = False
            grown = (~kept).nonzero()[:count, 0]  # the first that are not kept
            kept[grown] = True
            assert torch.equal(mask[twin].flatten(), kept), (name, twin)


@pytest.mark.parametrize(("min_left", "announced"), [(0, True), (1, False)])
def test_layers_without_weights_are_announced(caplog, min_left, announced):
    @dataclass(frozen=True)
    class SmallConvolutions:
        def __call__(self, state):
            return {n: w.abs() * (0.001 if n == "conv2.weight" else 1) for n, w in state.weights.items()}

    with caplog.at_level(logging.WARNING):
        _, state = applied(Composition(SmallConvolutions(), schedule=Does(1.0), min_left=min_left))
    assert ("of 6 twins, layers have no weights left: conv2 in 4; min_left keeps some" in caplog.text) == announced
    assert pruned(state) == [[0, 1208, 2174]] * 2
