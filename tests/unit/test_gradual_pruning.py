"""Gradual and random pruning: the schedule's closed form, nested masks exact to the weight, and keys of their own."""

from dataclasses import replace
from functools import partial
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from plain_networks import module_indices
from reference import network_of, optimizer_for
from test_torch_engine import ROUNDING, factors, images, population
from zootwins.analyses.mask_overlap import masks_at
from zootwins.analyses.metrics import collect_metrics
from zootwins.architectures.architecture import get_architecture
from zootwins.population import ImageData, native_engine
from zootwins.population.randomness import data_order, weight_words
from zootwins.population.torch_engine import TorchEngine
from zootwins.population.trajectory import Moment
from zootwins.run.errors import InputError
from zootwins.sparsifiers import gradual_pruning, magnitude_pruning, random_pruning
from zootwins.sparsifiers.allocations import Extended
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.sparsifiers.gradual_pruning import GradualPruning
from zootwins.sparsifiers.magnitude_pruning import MagnitudePruning
from zootwins.sparsifiers.random_pruning import RandomPruning
from zootwins.sparsifiers.schedules import Cubic
from zootwins.sparsifiers.scores import Random
from zootwins.sparsifiers.sparsify import sparsify
from zootwins.sparsifiers.state import State
from zootwins.storage.resume import Resume
from zootwins.storage.shards import coordinates, cut_model, read_shard, write_trajectory
from zootwins.zoos.exporting import shard_models
from zootwins.zoos.originals import Originals

SHORT = {"sparsities": (90, 50), "epochs": 4, "begin": 1, "ends": (3,), "lr": 1e-2}
EACH = {"distributions": ("global", "uniform", "extended"), "ends": (2, 3, 1)}
CASES = pytest.mark.parametrize(
    ("method", "settings"),
    [
        (GradualPruning(), gradual_pruning.Settings(**SHORT)),
        (GradualPruning(), gradual_pruning.Settings(**SHORT, distributions=("global",))),
        (GradualPruning(), gradual_pruning.Settings(**SHORT, distributions=("extended",))),
        (GradualPruning(), gradual_pruning.Settings(**SHORT | EACH)),
        (RandomPruning(), random_pruning.Settings(**SHORT)),
        (RandomPruning(), random_pruning.Settings(**SHORT | {"ends": (1, 3)})),
    ],
    ids=["uniform", "global", "extended", "each", "random", "random ends"],
)


def some_originals(name="cnn_s", channels=1):
    of = population([factors(0), factors(1, "relu", "sgd", weight_decay=0.1)], name, channels, dtype=torch.float32)
    return Originals(of.architecture, ["a", "b"], [0, 1], of.factors, of.parameters)


def half_of(originals, model):
    cut = slice(model, model + 1)
    parameters = {name: tensor[cut] for name, tensor in originals.parameters.items()}
    return Originals(originals.architecture, originals.models[cut], [model], originals.factors[cut], parameters)


def shown(originals):
    return ImageData(images(originals_population(originals), 24), *(images(originals_population(originals), 8),) * 2)


def originals_population(originals):
    return MagnitudePruning().population(
        SparsifierInputs("zoo", originals), magnitude_pruning.Settings(sparsities=(50,), epochs=1)
    )


def changed_masks(plan, epoch, of):
    """The masks that a plan sets before an epoch; None if it leaves them as they are."""
    before = of.masks
    plan.change(Moment(epoch, 0, 3, plan.epochs), of)
    return None if of.masks is before else of.masks


def trained_masks(method, settings, originals):
    """The masks at every epoch of a run, by the plan alone, and the population at its end."""
    of = method.population(SparsifierInputs("zoo", originals), settings)
    data, plan, masks = shown(originals).train, method.plan(SparsifierInputs("zoo", originals), settings), []
    for epoch in range(1, settings.epochs + 1):
        plan.change(Moment(epoch, 0, 3, settings.epochs), of)
        masks.append(of.masks)
        TorchEngine().train_epoch(of, data, epoch)
    return masks, of


def test_the_schedule_is_cubic():
    """s(t) = s_f·(1 − (1 − p)³) at p = 0, ¼, ½, ¾, 1, and beyond."""
    schedule = Cubic(2, 10)
    due = [schedule.progress(Moment(epochs + 1, 0, 3, 15), 0.8) for epochs in (2, 4, 6, 8, 10)]
    assert due == pytest.approx([0, 37 / 64, 7 / 8, 63 / 64, 1])
    assert [schedule.progress(Moment(epochs + 1, 0, 3, 15), 0.8) for epochs in (0, 14)] == [None, None]
    assert due[-1] == 1  # exactly, so that the number of pruned weights is that of magnitude pruning


@pytest.mark.parametrize("change", [{"begin": 11}, {"ends": (10, 15)}, {"epochs": 10}])
def test_a_schedule_that_does_not_fit_the_epochs_is_refused(change):
    with pytest.raises(ValidationError, match="begin ≤ end < epochs"):
        gradual_pruning.Settings(**{"sparsities": (80,), "epochs": 15, "begin": 0, "ends": (10,)} | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ends": (2, 1, 2)}, "2 is listed twice"),
        ({"ends": ()}, "at least 1 item"),
        ({"ends": (-1,)}, "greater than or equal to 0"),
        ({"distributions": ("global", "global")}, "global is listed twice"),
        ({"distributions": ("erk",)}, "should be 'uniform', 'global' or 'extended'"),
    ],
)
def test_lists_that_cannot_be_are_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        gradual_pruning.Settings(**SHORT | {"begin": 0} | change)


def test_the_first_end_and_distribution_are_at_the_operating_points():
    settings = gradual_pruning.Settings(**SHORT | EACH)
    assert [axis.name for axis in GradualPruning().axes(settings)] == ["ratio", "end", "distribution"]
    assert [axis.values for axis in GradualPruning().axes(settings)[1:]] == [(2, 3, 1), (1, 0, 2)]
    point = GradualPruning().point(settings, 90)
    assert (point.epoch, dict(point.at)) == (4, {"ratio": 0.9, "end": 2, "distribution": 1})
    of = random_pruning.Settings(**SHORT | {"ends": (3, 1)})
    assert RandomPruning().dense_control(of).at == {"ratio": 0, "end": 3}


@CASES
@pytest.mark.parametrize(("name", "channels"), [("cnn_s", 1), ("cnn_l", 3)])
def test_masks_are_nested_and_exact_to_the_weight(method, settings, name, channels):
    masks, of = trained_masks(method, settings, some_originals(name, channels))
    layers, places = list(of.architecture.weight_names), coordinates(method.axes(settings))
    assert masks[0] == {}  # nothing before `begin`
    for epoch, (before, now) in enumerate(pairwise(masks[1:]), start=2):
        for layer in layers:
            assert not (now[layer] & ~before[layer]).any(), "what is masked stays masked"
        gone = torch.stack([(~now[layer]).flatten(1).sum(1) for layer in layers], dim=1)
        sizes = torch.tensor([now[layer][0].numel() for layer in layers])
        for twin, at in enumerate(places * 2):
            ratio, end = at["ratio"], at["end"]
            share = ratio * (1 - (1 - (epoch - 1) / (end - 1)) ** 3) if epoch < end else ratio
            distribution = gradual_pruning.DISTRIBUTIONS[int(at.get("distribution", 0))]
            if distribution == "uniform":
                assert gone[twin].tolist() == [round(share * size) for size in sizes.tolist()]
            else:
                assert gone[twin].sum().item() == pytest.approx(share * int(sizes.sum()), abs=2)
            if distribution == "extended":
                assert gone[twin, 0] == 0
                assert gone[twin, -1] == round(share / ratio * min(ratio, 0.8) * sizes[-1].item() if ratio else 0)
    for layer in layers:
        assert (of.parameters[layer][~masks[-1][layer]] == 0).all()


def test_a_masked_weight_stays_masked_among_other_zeros():
    """Weights of a model may be 0 themselves, and come before the masked ones."""
    method, settings = GradualPruning(), gradual_pruning.Settings(sparsities=(50,), epochs=3, begin=0, ends=(2,))
    of = method.population(SparsifierInputs("zoo", some_originals()), settings)
    kept = {name: torch.ones_like(of.parameters[name], dtype=torch.bool) for name in of.architecture.weight_names}
    kept["fc1.weight"].flatten(1)[:, -100:] = False
    of.parameters["fc1.weight"].flatten(1)[:, :300] = 0
    of.set_masks(kept)
    masks = changed_masks(method.plan(SparsifierInputs("zoo", some_originals()), settings), 2, of)
    assert not masks["fc1.weight"][1::2].flatten(1)[:, -100:].any()


@pytest.mark.parametrize(
    ("name", "channels", "percent", "expected"),
    [("cnn_s", 1, 80, 0.8794), ("cnn_l", 3, 90, 0.9404), ("cnn_s", 1, 90, 0.9992), ("cnn_l", 3, 50, 0.5213)],
)
def test_the_extended_distribution(name, channels, percent, expected):
    """First layer dense, last at most 80 %, the whole as asked for."""
    architecture = get_architecture(name, channels)
    ratios = Extended().ratios(architecture, percent / 100)
    shares = dict(zip(architecture.weight_names, architecture.weight_shares.tolist(), strict=True))
    assert sum(ratios[weight] * share for weight, share in shares.items()) == pytest.approx(percent / 100)
    assert ratios["conv1.weight"] == 0
    assert ratios["fc2.weight"] == min(percent / 100, 0.8)
    assert [ratios[f"{layer}.weight"] for layer in ("conv2", "conv3", "fc1")] == pytest.approx([expected] * 3, abs=1e-4)


@pytest.mark.parametrize(("channels", "highest"), [(1, "90"), (3, "77.2")])
def test_what_the_extended_distribution_cannot_reach_is_refused_before_training(channels, highest):
    settings = gradual_pruning.Settings(sparsities=(50, 95), epochs=2, ends=(1,), distributions=("uniform", "extended"))
    message = rf"gradual_pruning.sparsities: 95 % cannot be reached .* distributions, .* cnn_s comes to {highest} % at"
    with pytest.raises(InputError, match=message):
        GradualPruning().population(SparsifierInputs("zoo", some_originals(channels=channels)), settings)


@pytest.mark.parametrize("method", [GradualPruning(), RandomPruning()])
def test_a_start_before_training(method):
    originals = some_originals()
    initial = {name: torch.randn_like(tensor) for name, tensor in originals.parameters.items()}
    settings = method.Settings(**SHORT, start="init")
    assert method.earlier_epochs(settings) == (0,)
    assert not method.earlier_epochs(method.Settings(**SHORT))
    of = method.population(SparsifierInputs("zoo", originals, earlier={0: initial}), settings)
    for name, tensor in initial.items():
        assert torch.equal(of.parameters[name], tensor.repeat_interleave(3, dim=0))


def test_one_step_at_the_start_is_magnitude_pruning_layer_by_layer():
    """Masks, and what is trained under them with the same keys."""
    originals = some_originals()
    settings = gradual_pruning.Settings(sparsities=(50, 90), epochs=2, begin=0, ends=(0,), lr=1e-2)
    gradual, once = GradualPruning(), MagnitudePruning()
    layerwise = magnitude_pruning.Settings(sparsities=(50, 90), epochs=2, scope="layer", lr=1e-2)
    ours, theirs = (
        gradual.population(SparsifierInputs("zoo", originals), settings),
        once.population(SparsifierInputs("zoo", originals), layerwise),
    )
    plan = gradual.plan(SparsifierInputs("zoo", originals), settings)
    assert changed_masks(plan, 1, ours)
    assert changed_masks(plan, 2, ours) is None
    ours.keys = theirs.keys
    data = shown(originals).train
    for each in (ours, theirs):
        TorchEngine().train_epoch(each, data, 1)
    for name, mask in theirs.masks.items():
        assert torch.equal(ours.masks[name], mask)
    for name, parameter in theirs.parameters.items():
        assert torch.equal(ours.parameters[name], parameter)


def train_one_regrowing(of, twin, data, settings, ratio):
    """One model in plain PyTorch whose masked weights wait as they were, ranked with the others: weights and masks."""
    factors, key = of.factors[twin], of.keys[twin : twin + 1]
    network = network_of(of, twin)
    positions = module_indices(of.architecture, factors.dropout > 0).values()
    weights = [network.module_list[position].weight for position in positions]
    masks = [torch.ones_like(weight, dtype=torch.bool) for weight in weights]
    optimizer, seen = optimizer_for(network.parameters(), factors), []
    for epoch in range(1, settings.epochs + 1):
        if settings.begin < epoch <= settings.ends[0] + 1:
            for place, weight in enumerate(weights):
                progress = Cubic(settings.begin, settings.ends[0]).progress(Moment(epoch, 0, 3, settings.epochs), ratio)
                number = round(progress * ratio * weight.numel())
                threshold = weight.detach().abs().flatten().kthvalue(number).values if number else -1
                masks[place] = weight.detach().abs() > threshold
                for moment in ("exp_avg", "exp_avg_sq", "momentum_buffer"):
                    if moment in optimizer.state[weight]:
                        optimizer.state[weight][moment] *= masks[place]
            seen.append([mask.clone() for mask in masks])
        order = data_order(key, epoch, len(data))[0]
        for first in range(0, len(data), factors.batch_size):
            waiting = [weight.detach().clone() for weight in weights]
            chosen = order[first : first + factors.batch_size]
            with torch.no_grad():
                for weight, mask in zip(weights, masks, strict=True):
                    weight *= mask
            optimizer.zero_grad()
            functional.cross_entropy(network(data.images[chosen]), data.labels[chosen]).backward()
            for weight, mask in zip(weights, masks, strict=True):
                weight.grad *= mask
            optimizer.step()
            with torch.no_grad():
                for weight, mask, before in zip(weights, masks, waiting, strict=True):
                    weight.copy_(torch.where(mask, weight, before))
    return weights, seen


def test_weights_that_may_return_equal_plain_pytorch():
    """In float64, Adam and SGD with decay; weights come back as they went, and some do."""
    originals = some_originals()
    exact = replace(originals, parameters={name: p.double() for name, p in originals.parameters.items()})
    settings = gradual_pruning.Settings(sparsities=(50, 80), epochs=5, begin=1, ends=(4,), lr=3e-2, regrow=True)
    method = GradualPruning()
    of = method.population(SparsifierInputs("zoo", exact), settings)
    data, plan, returned = images(of, 24), method.plan(SparsifierInputs("zoo", exact), settings), 0
    expected = [train_one_regrowing(of, twin, data, settings, ratio) for twin, ratio in enumerate(settings.ratios * 2)]
    steps = 0
    for epoch in range(1, settings.epochs + 1):
        before, new = of.masks, changed_masks(plan, epoch, of)
        if new is not None:
            returned += sum(int((new[name] & ~before[name]).sum()) for name in before)
            for twin, (_, seen) in enumerate(expected):
                for mask, name in zip(seen[steps], new, strict=True):
                    assert torch.equal(new[name][twin], mask), (epoch, twin, name)
            steps += 1
        TorchEngine().train_epoch(of, data, epoch)
    assert returned > 10
    for twin, (weights, _) in enumerate(expected):
        for weight, name in zip(weights, of.architecture.weight_names, strict=True):
            torch.testing.assert_close(of.remembered(name)[twin], weight.detach(), **ROUNDING)
            assert (of.parameters[name][twin][~of.masks[name][twin]] == 0).all()


def test_a_killed_run_remembers_what_is_masked(tmp_path, monkeypatch):
    monkeypatch.setattr("zootwins.storage.resume._SAVING_SHARE", 1)  # after every epoch
    originals = some_originals()
    settings = gradual_pruning.Settings(sparsities=(50, 80), epochs=5, begin=1, ends=(4,), lr=3e-2, regrow=True)
    inputs, data = SparsifierInputs("zoo", originals), shown(originals)
    whole = sparsify(TorchEngine(), GradualPruning(), settings, inputs, data).tensors

    def kill(epoch, epochs):
        if epoch == 5:  # the state after epoch 4 is saved, and some 20 weights come back then
            raise KeyboardInterrupt

    resume = Resume(tmp_path / "state.safetensors", "digest")
    run = partial(sparsify, TorchEngine(), GradualPruning(), settings, inputs, data, resume=resume)
    with pytest.raises(KeyboardInterrupt):
        run(on_epoch=kill)
    assert resume.path.exists()
    for name, tensor in run().tensors.items():
        assert torch.equal(tensor.nan_to_num(-1), whole[name].nan_to_num(-1)), name


@CASES
def test_a_twin_does_not_depend_on_its_neighbours(method, settings):
    originals = some_originals()
    _, whole = trained_masks(method, settings, originals)
    _, alone = trained_masks(method, settings, half_of(originals, 1))
    for name, mask in alone.masks.items():
        assert torch.equal(whole.masks[name][len(alone) :], mask), name
    assert whole.keys[len(alone) :].tolist() == alone.keys.tolist()


def among_and_alone(engine, method, several, inputs, data):
    """What was recorded of each place on the axes but the ratio among the others, and in a run of its own."""
    axes = method.axes(several)[1:]
    whole = sparsify(engine, method, several, inputs, data).tensors
    for at in product(*(range(len(axis.values)) for axis in axes)):
        chosen = {"ends": (several.ends[at[0]],)}
        if method.id == "gmp":
            chosen["distributions"] = (several.distributions[at[1]],)
        alone = sparsify(engine, method, several.model_copy(update=chosen), inputs, data).tensors
        for name, tensor in alone.items():
            yield at, name, whole[name][:, :, *at].nan_to_num(-1), tensor[:, :, *[0] * len(at)].nan_to_num(-1)


SEVERAL = pytest.mark.parametrize(
    ("method", "settings"),
    [
        (GradualPruning(), gradual_pruning.Settings(**SHORT | EACH)),
        (GradualPruning(), gradual_pruning.Settings(**SHORT | {"lr": 3e-2, "ends": (3, 1), "regrow": True})),
        (RandomPruning(), random_pruning.Settings(**SHORT | {"ends": (1, 3)})),
    ],
    ids=["each", "regrowing", "random"],
)


@SEVERAL
def test_a_twin_among_others_is_the_one_that_is_run_alone(method, settings):
    """With masks at other epochs and by other rankings beside it; in float64, since batches round by their size."""
    originals = some_originals()
    exact = replace(originals, parameters={name: p.double() for name, p in originals.parameters.items()})
    for at, name, among, alone in among_and_alone(
        TorchEngine(), method, settings, SparsifierInputs("zoo", exact), shown(originals)
    ):
        assert among.shape == alone.shape
        if name.startswith("mask"):
            assert torch.equal(among, alone), (at, name)
        else:
            torch.testing.assert_close(among, alone, **ROUNDING)


@pytest.mark.skipif(not native_engine.is_available(), reason="the native engine is not built here")
@SEVERAL
def test_a_twin_among_others_has_the_same_bits_alone(method, settings):
    originals = some_originals()
    inputs, data = SparsifierInputs("zoo", originals), shown(originals)
    for at, name, among, alone in among_and_alone(native_engine.NativeEngine(), method, settings, inputs, data):
        assert torch.equal(among, alone), (at, name)


def test_random_masks_are_drawn_evenly_and_anew_for_every_twin():
    method, settings = RandomPruning(), random_pruning.Settings(**SHORT)
    of = method.population(SparsifierInputs("zoo", some_originals()), settings)
    state = State(of, Moment(1, 0, 3, settings.epochs), SparsifierInputs("zoo", some_originals()), ())
    scores, again = Random()(state), Random()(state)
    for name, score in scores.items():
        assert torch.equal(score, again[name])
        ranks = score.flatten(1).argsort(1).argsort(1).double()
        between = torch.corrcoef(ranks) - torch.eye(len(of))
        assert between.abs().max() < 5 / ranks.shape[1] ** 0.5
    words = weight_words(torch.arange(200), 2416).double() / 2**32
    assert words.mean().item() == pytest.approx(0.5, abs=4 / (12 * words.numel()) ** 0.5)


@CASES
def test_a_short_run(method, settings):
    originals = some_originals()
    tensors = sparsify(TorchEngine(), method, settings, SparsifierInputs("zoo", originals), shown(originals)).tensors
    grid = [len(axis.values) for axis in method.axes(settings)]
    assert tensors["predictions"].shape == (2, *grid, 2, 8)
    first = [0] * (len(grid) - 1)  # the twins at the operating points
    tensors = {name: tensor[:, :, *first] for name, tensor in tensors.items()}
    for name in originals.architecture.weight_names:
        mask = tensors[f"mask.{name}"]
        assert mask[:, 0].all()  # the control
        assert torch.equal(tensors[name][:, :, 0], originals.parameters[name][:, None].expand_as(mask))
        assert (tensors[name][:, :, -1][~mask] == 0).all()
    sparsity = tensors["sparsity"].double() @ originals.architecture.weight_shares
    assert (sparsity[:, 1:, 1:] >= sparsity[:, 1:, :-1]).all()
    assert sparsity[:, :, -1].flatten().tolist() == pytest.approx([0, 0.5, 0.9] * 2, abs=2e-3)
    assert method.point(settings, method.default_point(settings)).at["ratio"] == 0.9


def test_readers_of_shards_know_the_operating_points_among_further_axes(tmp_path):
    """Metrics mark them, masks are compared there; a cut and an export have all twins."""
    method, settings = GradualPruning(), gradual_pruning.Settings(**SHORT | EACH | {"sparsities": (50,)})
    originals = some_originals()
    trajectory = sparsify(TorchEngine(), method, settings, SparsifierInputs("zoo", originals), shown(originals))
    path, axes = tmp_path / "0000-0001.safetensors", method.axes(settings)
    write_trajectory(path, "gmp", trajectory, originals.models, originals.index, axes=axes)
    shard, architecture = read_shard(path), originals.architecture

    predictions = (np.zeros((2, 8), dtype=np.uint8), np.array([0, 1]))
    scores = collect_metrics([shard], *predictions, architecture, method.curve(settings)).scores
    defaults = (scores["epoch"] == 4) & (scores["end"] == 2) & (scores["distribution"] == 1)
    assert (scores["point"].notna() == defaults).all()
    assert scores.loc[defaults, "point"].tolist() == [0, 50] * 2

    masks = masks_at(shard, 1, settings, architecture.weight_shares.numpy(), [0.5])[0.5]
    for layer, kept in masks.items():
        assert torch.equal(torch.tensor(kept), trajectory.tensors[f"mask.{layer}.weight"][1, 1, 0, 0].flatten())

    cut_model(tmp_path / "cut.safetensors", [shard], "b")
    assert list(read_shard(tmp_path / "cut.safetensors").axes) == list(axes)
    names = [model.name for model in shard_models([shard], dict(enumerate(originals.factors)), originals.architecture)]
    assert len(set(names)) == 2 * 2 * 3 * 3
    assert names[1] == "a,ratio=0,end=2,distribution=0"
