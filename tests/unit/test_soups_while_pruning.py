"""Soups while pruning trains: the averages against plain PyTorch, and the rule's corners on tiny populations."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from plain_networks import module_indices
from reference import network_of, optimizer_for
from test_torch_engine import ROUNDING, factors, images, population
from zootwins.catalogue.pruning_soups import ARMS
from zootwins.experiments.soups.member_training import Retraining
from zootwins.experiments.soups.while_pruning import Copies, copied, copy_keys, soups_while_pruning, stretched
from zootwins.population import ImageData, native_engine
from zootwins.population.masks import pruning_masks
from zootwins.population.native_engine import NativeEngine
from zootwins.population.randomness import data_order
from zootwins.population.torch_engine import TorchEngine
from zootwins.population.trajectory import Moment, Plan, ignore
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.sparsifiers.sparsify import sparsify
from zootwins.storage.resume import Resume
from zootwins.zoos.originals import Originals

SAMPLES, EPOCHS = 24, 4  # three batches of 8 per epoch
METHODS = {
    "gmp": {"ends": (2,), "distributions": ("global",)},
    "imp": {"rounds": 2, "rewind_epoch": None},
    "acdc": {"phase_epochs": 1, "last_epochs": 1},
    "dpf": {"end": 2, "every": 2},
    "rigl": {"every": 2, "until": 1.0},
}
OTHERWISE = TorchEngine()
ENGINE = NativeEngine(otherwise=OTHERWISE) if native_engine.is_available() else OTHERWISE


def inputs_of(rows=(0, 1), dtype=torch.float32, engine=ENGINE) -> SparsifierInputs:
    own = [factors(0), factors(1, "relu", "sgd", dropout=0.3)]
    of = population(own, dtype=dtype)
    data = ImageData(images(of, SAMPLES), images(of, 20, seed=3), images(of, 20, seed=2))
    parameters = {name: tensor[list(rows)] for name, tensor in of.parameters.items()}
    originals = Originals(
        of.architecture, [("a", "b")[row] for row in rows], rows, [own[row] for row in rows], parameters
    )
    return SparsifierInputs("zoo", originals, data=data, engine=engine)


def settings_of(method: str, **more):
    chosen = {"sparsities": (50, 80), "epochs": EPOCHS, "lr": 3e-3} | METHODS[method] | more
    return get_sparsifier(method).Settings(**chosen)


def cook(method: str, inputs=None, members=2, resume=None, on_epoch=ignore, **more):
    inputs = inputs or inputs_of()
    retraining = lambda total: Retraining(inputs.engine, inputs.data.train, total, resume, on_epoch)  # noqa: E731
    return soups_while_pruning(get_sparsifier(method), settings_of(method, **more), inputs, members, retraining)


def weights(trajectory) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in trajectory.tensors.items() if "." in name}


@pytest.mark.parametrize("method", METHODS)
def test_the_arm_without_soups_is_the_twin(method):
    single, settings = cook(method)["single"], settings_of(method)
    twins = sparsify(ENGINE, get_sparsifier(method), settings, inputs_of(), inputs_of().data).tensors
    trained = {name: tensor for name, tensor in twins.items() if "." in name and not name.startswith("mask.")}
    for name, tensor in get_sparsifier(method).weights(settings).deterministic(trained).items():
        own = tensor.reshape(2, 3, EPOCHS + 1, *inputs_of().originals.parameters[name].shape[1:])
        assert torch.equal(single.tensors[name][:, :, 0], own[:, 1:, -1]), name


@pytest.mark.parametrize("method", METHODS)
def test_all_arms_are_as_sparse(method):
    arms = cook(method)
    assert tuple(arms) == ARMS
    for arm, trajectory in arms.items():
        own = [tensor for name, tensor in weights(trajectory).items() if name.endswith("weight")]
        kept = sum((tensor != 0).flatten(2).sum(2) for tensor in own)
        times = 2 if arm == "member" else 1
        for goal, ratio in enumerate((0.5, 0.8)):
            expected = times * (2416 - round(ratio * 2416))
            assert (kept[:, goal] <= expected).all(), arm
            # what RigL lets grow begins at 0, and stays there where a unit is dead
            assert (kept[:, goal] >= expected * (0.9 if method == "rigl" else 1)).all(), arm


@pytest.mark.parametrize("method", METHODS)
def test_a_soup_is_the_mean_of_members_on_one_mask(method):
    arms = cook(method)
    for name, members in weights(arms["member"]).items():
        assert torch.equal(arms["soup"].tensors[name], members.double().mean(2).float()), name
        if name.endswith("weight"):
            if method != "rigl":  # of which a grown weight may be 0 in one of them
                assert torch.equal(members[:, :, 0] != 0, members[:, :, 1] != 0)
            assert not torch.equal(members[:, :, 0], members[:, :, 1])


def test_copies_equal_plain_pytorch_in_float64():
    """Gradual pruning: before each epoch up to the last change copies are averaged, pruned, and begin anew."""
    inputs = inputs_of((0,), torch.float64, OTHERWISE)
    ours = cook("gmp", inputs, sparsities=(80,))["soup"]
    method, settings = get_sparsifier("gmp"), settings_of("gmp", sparsities=(80,))
    places = [{"ratio": 0.8, "end": 2.0, "distribution": 1.0}]
    twins = method.population_at(inputs, settings, places)
    keys = copy_keys(method, inputs, places, twins, 2)[0]
    own = replace(inputs.originals.factors[0], lr=3e-3)
    names, architecture = inputs.originals.architecture.weight_names, inputs.originals.architecture
    parameters = {name: tensor[0] for name, tensor in inputs.originals.parameters.items()}
    masks: dict[str, torch.Tensor] = {}
    copies = []
    for epoch, sparsity in enumerate((0.0, 0.8 * (1 - 0.5**3), 0.8, None), start=1):
        if sparsity is not None:
            if copies:
                states = [plain_state(network, architecture) for network, _ in copies]
                parameters = {name: sum(state[name] for state in states) / 2 for name in parameters}
            if sparsity:
                flat = torch.cat([parameters[name].abs().flatten() for name in names])
                least = flat.sort().values[round(sparsity * flat.numel()) - 1]
                masks = {name: parameters[name].abs() > least for name in names}
            start = replace(
                twins,
                factors=[own],
                parameters={name: tensor[None].clone() for name, tensor in parameters.items()},
                masks={name: mask[None] for name, mask in masks.items()},
            )
            networks = [network_of(start, 0) for _ in range(2)]
            copies = [(network, optimizer_for(network.parameters(), own)) for network in networks]
        for (network, optimizer), key in zip(copies, keys if masks else (keys[0], keys[0]), strict=True):
            for batch in data_order(key[None], epoch, SAMPLES)[0].split(8):
                optimizer.zero_grad()
                train = inputs.data.train
                F.cross_entropy(network(train.images[batch]), train.labels[batch]).backward()
                optimizer.step()
    states = [plain_state(network, architecture) for network, _ in copies]
    for name in parameters:
        torch.testing.assert_close(ours.tensors[name][0, 0, 0], (states[0][name] + states[1][name]) / 2, **ROUNDING)


def plain_state(network, architecture) -> dict[str, torch.Tensor]:
    """Weights and biases of a network that `torch.nn.utils.prune` may have masked."""
    found = {}
    for layer, position in module_indices(architecture, dropout=False).items():
        module = network.module_list[position]
        found[f"{layer}.weight"], found[f"{layer}.bias"] = module.weight.detach(), module.bias.detach()
        if hasattr(module, "weight_orig"):
            found[f"{layer}.weight"] = module.weight_orig.detach() * module.weight_mask
    return found


def test_copies_stay_one_network_while_nothing_is_masked():
    """Of AC/DC: in dense phases copies see the same batches, in sparse ones each its own."""
    inputs, method, settings = inputs_of(), get_sparsifier("acdc"), settings_of("acdc")
    places = [{"ratio": 0.5}, {"ratio": 0.8}]
    twins, plan = method.population_at(inputs, settings, places), method.plan_at(inputs, settings, places)
    keys = copy_keys(method, inputs, places, twins, 3)
    assert keys.unique().numel() == 12
    copies = Copies(keys, lambda moment: method.changes_masks(settings, places, moment), plan.change)
    of = copies.of(copied(twins))
    change = copies.plan(plan).change
    shared = []
    for epoch in range(1, EPOCHS + 1):
        change(Moment(epoch, 0, 3, EPOCHS), of)
        shared.append(bool((of.keys.view(-1, 3) == of.keys.view(-1, 3)[:, :1]).all()))
        ENGINE.train_epoch(of, inputs.data.train, epoch)
    assert shared == [False, True, True, False]  # the dense phase before the last sparse one is longer


def test_optimisers_restart_where_masks_change_and_nowhere_else():
    inputs, method, settings = inputs_of(), get_sparsifier("rigl"), settings_of("rigl")
    places = [{"ratio": 0.8}]
    twins, plan = method.population_at(inputs, settings, places), method.plan_at(inputs, settings, places)
    copies = Copies(
        copy_keys(method, inputs, places, twins, 2),
        lambda moment: method.changes_masks(settings, places, moment),
        plan.change,
    )
    of, change = copies.of(copied(twins)), copies.plan(plan).change
    change(Moment(1, 0, 3, EPOCHS), of)
    ENGINE.train_epoch(of, inputs.data.train, 1, batches=range(2))
    before = {name: tensor.clone() for name, tensor in of.parameters.items()}
    change(Moment(1, 1, 3, EPOCHS), of)
    assert of.optimizer_state["steps"].tolist() == [2] * 4
    change(Moment(1, 2, 3, EPOCHS), of)
    assert of.optimizer_state == {}
    mean = before["fc2.bias"].view(2, 2, -1).double().mean(1).float()
    assert torch.equal(of.parameters["fc2.bias"], mean.repeat_interleave(2, 0))
    assert not torch.equal(of.masks["fc1.weight"], before["fc1.weight"] != 0)


def test_a_soup_of_one_differs_from_the_twin_by_its_restarts_alone():
    arms = cook("imp")  # which restarts its optimiser itself
    for name, tensor in weights(arms["single"]).items():
        assert torch.equal(tensor, arms["restarted"].tensors[name])
    arms = cook("rigl")
    assert any(not torch.equal(t, arms["restarted"].tensors[name]) for name, t in weights(arms["single"]).items())


def test_training_longer_stretches_the_masks_with_it():
    moments = []
    plan = Plan(4, change=lambda moment, of: moments.append((moment.epoch, moment.step)), every=2)
    longer = stretched(plan, 3)
    assert (longer.epochs, longer.every) == (12, 6)
    called = [step for step in range(12 * 5) if step % 5 == 0 or step % 6 == 0]
    for step in called:
        longer.change(Moment(step // 5 + 1, step % 5, 5, 12), None)
    assert moments == [(step // 5 + 1, step % 5) for step in range(4 * 5) if step % 5 == 0 or step % 2 == 0]
    for more in ({"penalty": lambda epoch: 1.0}, {"lr_factors": lambda epoch: None}):
        with pytest.raises(ValueError, match="cannot be stretched"):
            stretched(replace(plan, **more), 3)


def test_one_copy_as_long_is_the_twin():
    arms = cook("dpf", members=1)
    for name, tensor in weights(arms["single"]).items():
        assert torch.equal(tensor, arms["long"].tensors[name])
        assert torch.equal(arms["soup"].tensors[name], arms["restarted"].tensors[name])


@pytest.mark.parametrize(("method", "killed"), [("acdc", 6), ("dpf", 10), ("rigl", 2), ("rigl", 10), ("rigl", 15)])
def test_a_killed_run_goes_on_to_the_same_networks(method, killed, tmp_path, monkeypatch):
    monkeypatch.setattr("zootwins.storage.resume._SAVING_SHARE", 1.0)  # save whenever there is something
    whole = cook(method)

    def kill(epoch, epochs):
        assert epochs == 5 * EPOCHS
        if epoch == killed:
            raise KeyboardInterrupt

    resume = Resume(tmp_path / "resume.safetensors", "digest")
    with pytest.raises(KeyboardInterrupt):
        cook(method, resume=resume, on_epoch=kill)
    again = cook(method, resume=resume)
    for arm, trajectory in whole.items():
        for name, tensor in weights(trajectory).items():
            assert torch.equal(tensor, again[arm].tensors[name]), (arm, name)


@pytest.mark.parametrize("method", ["gmp", "rigl"])
def test_neighbours_do_not_matter(method):
    together, alone = cook(method), cook(method, inputs_of((1,)))
    for arm, trajectory in alone.items():
        for name, tensor in weights(trajectory).items():
            torch.testing.assert_close(tensor, together[arm].tensors[name][1:], rtol=1e-4, atol=1e-6)


def test_a_shard_without_models_is_empty():
    arms = cook("gmp", inputs_of(()))
    assert arms["member"].tensors["test_accuracy"].shape == (0, 2, 2, 1)


def test_masks_of_feedback_are_parameters():
    inputs, method, settings = inputs_of(), get_sparsifier("dpf"), settings_of("dpf")
    twins = method.population_at(inputs, settings, [{"ratio": 0.5}])
    assert twins.masked.tolist() == [False, False]
    dense = {name: twins.parameters[name] for name in twins.architecture.weight_names}
    twins.set_masks(pruning_masks(dense, 0.5, "global"))
    assert twins.masked.tolist() == [True, True]
