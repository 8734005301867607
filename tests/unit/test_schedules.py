"""Schedules: when masks change, by published configurations and closed forms; masks and steps by public code."""

from math import ceil

import pytest
import torch

from reference_data import architecture, assert_same, of_layers, parameters, pruned, reference, weights
from zootwins.population import Factors, ImageSet, Population
from zootwins.population.masks import keep_highest
from zootwins.population.randomness import data_order
from zootwins.population.torch_engine import TorchEngine
from zootwins.population.trajectory import Moment
from zootwins.sparsifiers.schedules import Alternating, Exchange, Rounds

WEIGHTS = 2416
STEPS = 1e-15  # ten steps in float64, of weights below 1


def magnitudes():
    return {name: weight.abs() for name, weight in weights().items()}


def over_epochs(schedule, epochs, ratio=0.9):
    """What is due at the beginnings of epochs 0, 1, …, where anything is."""
    due = {e: schedule.progress(Moment(e + 1, 0, 10, epochs), ratio) for e in range(epochs)}
    assert all(schedule.progress(Moment(e + 1, 5, 10, epochs), ratio) is None for e in range(epochs))
    return {epoch: share for epoch, share in due.items() if share is not None}


def test_acdc_has_the_phases_of_its_imagenet_runs():
    schedule = Alternating(warmup=10, phase=5, last=15)
    starts = range(10, 80, 5)
    assert over_epochs(schedule, 100) == {e: float(i % 2 == 0) for i, e in enumerate(starts)} | {85: 1.0}
    assert [e for e in range(100) if schedule.resets_moments(Moment(e + 1, 0, 10, 100))] == list(range(15, 80, 10))


def test_acdc_has_the_phases_of_its_cifar_runs():
    due = over_epochs(Alternating(warmup=10, phase=20, last=30), 200)
    assert due == {e: float(i % 2 == 0) for i, e in enumerate(range(10, 171, 20))}


def test_acdc_of_one_sparse_phase_is_one_shot_pruning():
    assert over_epochs(Alternating(warmup=0, phase=5, last=20), 20) == {0: 1.0}


@pytest.mark.parametrize("percent", [50, 80, 90])
def test_acdcs_masks_are_magnitude_pruning_s_at_its_count(percent):
    masks = of_layers("acdc", f"global_mask_{percent}.")
    assert abs(pruned(masks) - round(percent * WEIGHTS / 100)) <= 1
    assert_same(keep_highest(magnitudes(), pruned(masks) / WEIGHTS), masks)
    masks = of_layers("acdc", f"uniform_mask_{percent}.")
    shares = {name: float((~mask).double().mean()) for name, mask in masks.items()}
    assert_same(keep_highest(magnitudes(), shares), masks)


def in_order(population, epoch, batches):
    """Images of which an epoch takes these batches of the 60 in turn."""
    data = reference("network")
    chosen = torch.cat([torch.arange(60).split(20)[batch] for batch in batches])
    places = torch.empty_like(chosen).scatter(0, data_order(population.keys, epoch, len(chosen))[0], chosen)
    return ImageSet(data["images"].double()[places], data["labels"][places])


def test_acdcs_phases_step_as_published():
    """Five steps of SGD under the mask, all moments and masked weights 0, five dense steps."""
    factors = Factors(0, "tanh", "uniform", "sgd", 0.1, 5e-4, 0.9, 0.0, 20)
    masks = of_layers("acdc", "phases.mask.")
    population = Population(architecture(), [factors], torch.tensor([7]), parameters(), masks)
    engine = TorchEngine("cpu", threads=1)
    for epoch, phase in enumerate(("sparse", "dense"), 1):
        if phase == "dense":
            population.set_masks({name: torch.ones_like(mask) for name, mask in masks.items()})
            population.optimizer_state = {}
        engine.train_epoch(population, in_order(population, epoch, [0, 1, 2, 0, 1]), epoch)
        for kind in ("weight", "bias"):
            for name, expected in of_layers("acdc", f"phases.after_{phase}.", f".{kind}").items():
                ours = population.parameters[name.replace("weight", kind)]
                torch.testing.assert_close(ours, expected, rtol=0, atol=STEPS)
        for name, expected in of_layers("acdc", f"phases.momentum_after_{phase}.").items():
            torch.testing.assert_close(population.optimizer_state[f"exp_avg.{name}"], expected, rtol=0, atol=STEPS)


def test_lottery_rounds_have_the_published_masks_at_their_count():
    gone, masks = 0, None
    for index in (1, 2, 3):
        gone += ceil(0.2 * (WEIGHTS - gone)) + 1
        scores = magnitudes() if masks is None else {n: s.masked_fill(~masks[n], -1) for n, s in magnitudes().items()}
        masks = keep_highest(scores, gone / WEIGHTS)
        assert_same(masks, of_layers("lottery", f"mask_round_{index}."))


def test_every_round_prunes_the_same_share_and_rewinds():
    schedule, ratio = Rounds(10, 3), 1 - 0.8**10
    due = over_epochs(schedule, 30, ratio)
    assert [due[epoch] * ratio for epoch in range(0, 30, 3)] == pytest.approx([1 - 0.8**k for k in range(1, 11)])
    assert due[27] == 1
    assert set(over_epochs(Rounds(2, 1), 5, 0.5)) == {0, 1}  # what is left trains on
    assert [e for e in range(30) if schedule.rewinds(Moment(e + 1, 0, 10, 30))] == list(range(0, 30, 3))
    assert not Rounds(10, 3, rewind_epoch=None).rewinds(Moment(4, 0, 10, 30))


def test_rigl_exchanges_by_a_cosine_and_ends():
    schedule = Exchange(every=20, fraction=0.3, until=0.75)
    moments = [Moment(1 + step // 10, step % 10, 10, 40) for step in range(400)]
    shares = {moment.taken: schedule.exchange(moment) for moment in moments if schedule.exchange(moment)}
    assert list(shares) == list(range(20, 300, 20))
    assert shares[20] == pytest.approx(0.3 / 2 * (1 + torch.tensor(20 / 300 * torch.pi).cos().item()))
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert schedule.progress(moments[0], 0.8) == 1
