"""Soups of tiny populations: what they are made of is held against plain PyTorch, and against themselves."""

import copy
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn.utils import prune

from plain_networks import module_indices
from reference import network_of, train_one
from test_torch_engine import ROUNDING, factors, images, population
from zootwins.catalogue.soups import ARMS, Soups
from zootwins.experiments.soups import member_training
from zootwins.experiments.soups.merging import greedy, merge
from zootwins.experiments.soups.phases import Dense, as_population, axes_of, make_soups, masks_of, pruned
from zootwins.experiments.soups.recipes import Recipe, allr_start, llr
from zootwins.experiments.soups.unrelated_models import mix_unrelated_models, partners
from zootwins.population import ImageData, native_engine
from zootwins.population.native_engine import NativeEngine
from zootwins.population.torch_engine import TorchEngine
from zootwins.storage.resume import Resume
from zootwins.zoos.originals import Originals

SETTINGS = Soups(
    goals=(60, 90),
    phases=2,
    epochs=2,
    members=(3,),
    lr=3e-3,
    schedule="llr",
    vary=("weight_decay", "lr", "length"),
    member_weight_decays=(0, 1e-2, 1e-1),
    member_lrs=(1, 2, 0.5),
    member_lengths=(1, 1.5, 0.5),
    controls=("dense", "constant", "unrelated_models"),
)
SAMPLES = 24  # three batches of 8: eleven steps in the longest of these retrainings
MODELS = [factors(0), factors(1, "relu", "sgd", weight_decay=0.1), factors(2, "tanh", dropout=0.3)]
NAMES = ("a", "b", "c")
native = pytest.mark.skipif(not native_engine.is_available(), reason="the native engine is not built here")
ENGINE = NativeEngine() if native_engine.is_available() else TorchEngine()  # the quicker one


def test_the_former_name_of_unrelated_models_is_still_a_control(caplog):
    given = SETTINGS.model_dump() | {"controls": ["dense", "strangers"]}
    assert Soups(**given).controls == ("dense", "unrelated_models")
    (record,) = caplog.records
    assert record.getMessage() == "soups.controls: strangers is now unrelated_models; rename it"


def originals(models=(0, 1, 2), dtype=torch.float32) -> Originals:
    of = population(MODELS, dtype=dtype)
    rows = list(models)
    parameters = {name: tensor[rows] for name, tensor in of.parameters.items()}
    return Originals(of.architecture, [NAMES[row] for row in rows], rows, [MODELS[row] for row in rows], parameters)


def data_of(of: Originals) -> ImageData:
    like = as_population(of.architecture, {n: t[:, None, None] for n, t in of.parameters.items()}, of.factors)
    return ImageData(images(like, SAMPLES), images(like, 40, seed=3), images(like, 30, seed=2))


def cook(of=None, variant="seed", members=3, engine=None, settings=SETTINGS, **more):
    of = originals() if of is None else of
    data = more.pop("data", None) or data_of(of)
    recipe = Recipe.of(settings, variant, members)
    return make_soups(engine or ENGINE, Dense("zoo", of, [50] * len(of)), data, recipe, **more)


@pytest.fixture(scope="module")
def arms():
    return cook()


def weights(trajectory) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in trajectory.tensors.items() if name.endswith("weight")}


def zeros(trajectory) -> torch.Tensor:
    """The number of pruned weights, `[models, goals, (members,) phases]`."""
    axes = trajectory.tensors["test_accuracy"].ndim
    return sum((tensor == 0).flatten(axes).sum(axes) for tensor in weights(trajectory).values())


def same(one, other) -> bool:
    """Whether all arms' networks are the same to the last bit."""
    return all(
        torch.equal(tensor, other[arm].tensors[name])
        for arm, trajectory in one.items()
        for name, tensor in trajectory.tensors.items()
        if "." in name
    )


# --- schedules and sparsities


@pytest.mark.parametrize("steps", [5, 10, 11, 300, 1201])
def test_llr_is_the_closed_form_and_what_torch_counts_down(steps):
    warm = math.floor(0.1 * steps)
    expected = [
        (1 - math.cos(math.pi * t / warm)) / 2 if warm and t <= warm else 1 - (t - warm) / (steps - warm)
        for t in range(steps)
    ]
    np.testing.assert_allclose(llr(steps), expected, rtol=0, atol=1e-15)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    decline = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps - warm)
    for t in range(warm, steps):
        assert llr(steps)[t] == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12)
        optimizer.step()
        decline.step()
    assert llr(steps)[0] == (0 if warm else 1)
    assert llr(steps)[-1] == pytest.approx(1 / (steps - warm))
    assert llr(steps)[warm] == llr(steps).max() == 1


def test_allr_starts_low_where_pruning_took_little():
    assert allr_start(taken=0.1, share=0.25, epochs=1, dense_epochs=50) == pytest.approx(0.2)
    assert allr_start(taken=0.001, share=0.25, epochs=10, dense_epochs=50) == 0.2  # not below E / E_dense
    assert allr_start(taken=0.9, share=0.25, epochs=10, dense_epochs=50) == 1
    assert allr_start(taken=0.0, share=0.0, epochs=10, dense_epochs=50) == 1


@pytest.mark.parametrize(
    ("goal", "percents"), [(98, [72.9, 92.6, 98.0]), (95, [63.2, 86.4, 95.0]), (90, [53.6, 78.5, 90.0])]
)
def test_every_phase_prunes_the_same_share_of_what_is_left(goal, percents):
    recipe = Recipe.of(SETTINGS.model_copy(update={"phases": 3, "goals": (goal,)}), "seed", 3)
    sparsities = [recipe.sparsity(goal / 100, phase) for phase in (1, 2, 3)]
    assert [round(100 * sparsity, 1) for sparsity in sparsities] == percents
    left = [1.0, *(1 - sparsity for sparsity in sparsities)]
    assert [1 - after / before for before, after in pairwise(left)] == pytest.approx([recipe.share(goal / 100)] * 3)


def test_a_lane_that_is_through_stands_still():
    lengths = member_training.Lengths("llr", [2, 3, 1], torch.tensor([1.0, 0.5, 1.0], dtype=torch.float64))
    factor = torch.cat([lengths.factors(epoch, 4) for epoch in (1, 2, 3)], dim=1)
    np.testing.assert_allclose(factor[0], [*llr(8), 0, 0, 0, 0], atol=1e-7)
    np.testing.assert_allclose(factor[1], 0.5 * llr(12), atol=1e-7)
    assert (factor[2, 4:] == 0).all()


# --- merges


def networks(values) -> dict[str, torch.Tensor]:
    """One model, one goal, a member each."""
    return {"fc2.bias": torch.tensor(values)[None, None, :, None]}


@pytest.mark.parametrize("members", [2, 3, 5, 7])
def test_equal_copies_average_to_themselves_bit_for_bit(members):
    one = torch.randn(4, 2, 1, 500, generator=torch.Generator().manual_seed(1)) * 1e-3
    copies = {"x.weight": one.expand(-1, -1, members, -1)}
    assert torch.equal(merge(copies)["x.weight"], one)
    chosen = torch.ones(4, 2, members, dtype=torch.bool)
    assert torch.equal(merge(copies, chosen)["x.weight"], one)


def test_what_is_zero_in_all_stays_zero():
    tensor = torch.randn(2, 1, 5, 100)
    tensor[..., 7] = 0
    assert (merge({"x.weight": tensor})["x.weight"][..., 7] == 0).all()


def test_greedy_by_hand_with_ties():
    """Members 0, 10, 4, 4; the accuracy of a network is in a table by its value."""
    accuracy = {7.0: 0.7, 6.0: 0.8, 4.5: 0.8}
    members, validation = networks([0.0, 10.0, 4.0, 4.0]), torch.tensor([[[0.5, 0.7, 0.6, 0.6]]], dtype=torch.float64)
    asked = []

    def score(trial):
        asked.append(trial["fc2.bias"].item())
        return torch.tensor([[[accuracy[asked[-1]]]]], dtype=torch.float64)

    chosen = greedy(members, validation, score)
    # 10 first; with the third, 7, as good as 10 alone: it stays; with the fourth, 6, better; with the first, 4.5, equal
    assert asked == [7.0, 6.0, 4.5]
    assert chosen.tolist() == [[[True, True, True, True]]]


def test_greedy_of_equals_begins_with_the_first_and_takes_members_that_do_not_help():
    members, validation = networks([1.0, 2.0, 3.0]), torch.full((1, 1, 3), 0.5, dtype=torch.float64)
    first = []

    def score(trial):
        first.append(trial["fc2.bias"].item())
        return torch.tensor([[[0.4 if len(first) == 1 else 0.5]]], dtype=torch.float64)

    assert greedy(members, validation, score).tolist() == [[[True, False, True]]]
    assert first == [1.5, 2.0]


# --- masks


def test_masks_are_those_of_torch_phase_after_phase_but_for_rounding(arms):
    """Each phase takes round(q · what is left) in torch, and what makes round(s_p · all) here: ±1 weight."""
    of = originals()
    for row in range(len(of)):
        for goal, target in enumerate((0.6, 0.9)):
            network = network_of(population(MODELS, dtype=torch.float32), row)
            modules = [(module, "weight") for module in network.module_list if hasattr(module, "weight")]
            share = 1 - (1 - target) ** 0.5
            for phase in range(2):
                prune.global_unstructured(modules, prune.L1Unstructured, amount=share)
                theirs = torch.cat([module.weight_mask.flatten() for module, _ in modules]).bool()
                candidate = arms["member"]
                ours = torch.cat([tensor[row, goal, 0, phase].flatten() != 0 for tensor in weights(candidate).values()])
                assert int((ours ^ theirs).sum()) <= 1 + phase
                # the next phase prunes what the soup became
                for module, (name, _) in zip(modules, weights(candidate).items(), strict=True):
                    module[0].weight_orig.data = arms["soup"].tensors[name][row, goal, phase].clone()
                    module[0].weight = module[0].weight_orig * module[0].weight_mask


def test_a_soup_is_exactly_as_sparse_as_its_members_and_masks_nest(arms):
    expected = [[round(Recipe.of(SETTINGS, "seed", 3).sparsity(g, p) * 2416) for p in (1, 2)] for g in (0.6, 0.9)]
    for arm, trajectory in arms.items():
        pruned_weights = zeros(trajectory)
        if arm == "average":
            assert (pruned_weights <= torch.tensor(expected)).all()
            continue
        shape = (*pruned_weights.shape[:2], -1, 2)
        assert (pruned_weights.view(shape) == torch.tensor(expected)[:, None]).all(), arm
    for arm in ("soup", "greedy", "imp", "member", "imp_long", "swa"):
        axis = arms[arm].tensors["test_accuracy"].ndim - 1
        for tensor in weights(arms[arm]).values():
            first, second = tensor.unbind(axis)
            assert not (second[first == 0] != 0).any()


def test_pruning_takes_the_norm_of_what_it_prunes():
    of = {"x.weight": torch.tensor([[[[3.0, 0.5, -1.0, 4.0]]]]), "x.bias": torch.tensor([[[[12.0]]]])}
    result, taken = pruned(of, ["x.weight"], [0.5])
    assert result["x.weight"].tolist() == [[[[3.0, 0.0, 0.0, 4.0]]]]
    assert taken.item() == pytest.approx(math.sqrt(1.25 / (9 + 0.25 + 1 + 16 + 144)))
    assert masks_of(of, ["x.weight"], [0.25])["x.weight"].tolist() == [[[[True, False, True, True]]]]


# --- chains


def test_soups_are_the_averages_of_their_members(arms):
    for name in weights(arms["soup"]):
        mean = arms["member"].tensors[name].double().mean(2).float()
        assert torch.equal(arms["soup"].tensors[name], mean)
        assert torch.equal(arms["average"].tensors[name], arms["imp"].tensors[name].double().mean(2).float())


def test_in_phase_1_all_chains_have_the_same_members(arms):
    for name in weights(arms["soup"]):
        assert torch.equal(arms["imp"].tensors[name][:, :, :, 0], arms["member"].tensors[name][:, :, :, 0])
        assert not torch.equal(arms["imp"].tensors[name][:, :, :, 1], arms["member"].tensors[name][:, :, :, 1])


def test_a_soup_of_one_is_imp_and_so_is_imp_of_one_times_its_length(arms):
    one = cook(members=1)
    for name in weights(one["soup"]):
        for arm in ("soup", "greedy", "reprune", "average", "imp_long", "member"):
            assert torch.equal(one[arm].tensors[name], one["imp"].tensors[name]), arm
        # members are nested: the first IMP run of three is the one of one
        assert torch.equal(arms["imp"].tensors[name][:, :, 0], one["imp"].tensors[name])


@pytest.mark.parametrize("variant", ["seed", "weight_decay", "lr", "length", "constant"])
def test_members_differ_by_what_is_varied(variant):
    arms = cook(variant=variant)
    assert list(arms) == list(ARMS[variant])
    members = arms["member"].tensors["fc1.weight"]
    for member in (1, 2):
        assert not torch.equal(members[:, :, 0], members[:, :, member])
    recipe = Recipe.of(SETTINGS, variant, 3)
    keys = {recipe.key("zoo", "a", 1, member) for member in (1, 2, 3)}
    assert len(keys) == (3 if variant in ("seed", "constant") else 1)
    assert axes_of(recipe, arms["member"])[1].values == (1.0, 2.0, 3.0)
    assert [axis.name for axis in axes_of(recipe, arms["soup"])] == ["goal"]


def test_dense_soups_are_not_pruned():
    arms = cook(variant="dense")
    assert zeros(arms["soup"]).sum() == 0
    assert arms["member"].tensors["test_accuracy"].shape == (3, 1, 3, 1)


def test_a_soup_of_one_model_equals_plain_pytorch():
    """Two phases in float64: torch's pruning, optimisers and layers on the same batches."""
    of = originals((0,), torch.float64)
    data = data_of(of)
    recipe = Recipe.of(SETTINGS.model_copy(update={"goals": (60,)}), "seed", 3)
    ours = make_soups(TorchEngine(), Dense("zoo", of, [50]), data, recipe)["soup"]
    steps = 2 * SAMPLES // 8
    rates = torch.tensor(llr(steps)).float().double()
    parameters = of.parameters
    for phase in (1, 2):
        named = {name: parameters[name] for name in of.architecture.weight_names}
        start = population([recipe.factors(MODELS[0], 1)])
        start.parameters = {name: tensor.clone() for name, tensor in parameters.items()}
        flat = torch.cat([tensor.flatten().abs() for tensor in named.values()])
        least = flat.sort().values[round(recipe.sparsity(0.6, phase) * 2416) - 1]
        start.set_masks({name: tensor.abs() > least for name, tensor in named.items()})
        members = []
        for member in (1, 2, 3):
            start.keys = torch.tensor([recipe.key("zoo", "a", phase, member)])
            lr = lambda epoch, batch: rates[(epoch - 1) * (SAMPLES // 8) + batch].item()  # noqa: E731
            members.append(train_one(start, 0, data.train, data.test, 2, lr)[1])
        indices = module_indices(of.architecture, dropout=False)
        parameters = {}
        for name in of.parameters:
            layer, kind = name.split(".")
            modules = [network.module_list[indices[layer]] for network in members]
            kept = modules[0].weight_mask if kind == "weight" else 1
            values = [
                getattr(module, "weight_orig" if kind == "weight" else "bias").detach() * kept for module in modules
            ]
            parameters[name] = torch.stack(values).mean(0)[None]
            torch.testing.assert_close(ours.tensors[name][0, 0, phase - 1], parameters[name][0], **ROUNDING)


@native
def test_the_torch_engine_agrees(arms):
    other = cook(engine=TorchEngine())
    for name, tensor in weights(arms["member"]).items():
        torch.testing.assert_close(other["member"].tensors[name][:, :, :, 0], tensor[:, :, :, 0], rtol=5e-3, atol=1e-4)


@native
def test_neighbours_and_the_shard_do_not_matter():
    together, alone = cook(), cook(originals((2,)))
    for arm, trajectory in alone.items():
        for name, tensor in trajectory.tensors.items():
            assert torch.equal(together[arm].tensors[name][2:].nan_to_num(), tensor.nan_to_num()), (arm, name)


def test_nothing_is_chosen_on_test_images(arms):
    of = originals()
    data = data_of(of)
    nonsense = replace(data.test, images=-data.test.images, labels=(data.test.labels + 1) % 10)
    assert same(arms, cook(of, data=replace(data, test=nonsense)))


def test_greedy_looks_at_validation_images():
    of = originals()
    data = data_of(of)
    other = replace(data.validation, labels=(data.validation.labels + 1) % 10)
    settings = SETTINGS.model_copy(update={"goals": (60,), "phases": 1})
    arms = [cook(of, variant="lr", settings=settings, data=one) for one in (data, replace(data, validation=other))]
    assert torch.equal(arms[0]["soup"].tensors["fc1.weight"], arms[1]["soup"].tensors["fc1.weight"])
    assert not torch.equal(arms[0]["greedy"].tensors["fc1.weight"], arms[1]["greedy"].tensors["fc1.weight"])


@pytest.mark.parametrize("killed", [1, 3, 9, 15])
def test_a_killed_run_goes_on_to_the_same_networks(arms, tmp_path, monkeypatch, killed):
    monkeypatch.setattr("zootwins.storage.resume._SAVING_SHARE", 1.0)  # save whenever there is something

    def kill(epoch, epochs):
        assert epochs == 16  # two phases of two epochs, and of three times as many
        if epoch == killed:
            raise KeyboardInterrupt

    resume = Resume(tmp_path / "resume.safetensors", "digest")
    with pytest.raises(KeyboardInterrupt):
        cook(resume=resume, on_epoch=kill)
    epochs = []
    again = cook(resume=resume, on_epoch=lambda epoch, epochs_: epochs.append(epoch))
    assert same(arms, again)
    assert epochs == list(range(killed, 17))  # the epoch of the kill was not saved yet
    trained = []
    cook(resume=Resume(resume.path, "another"), on_epoch=lambda epoch, epochs_: trained.append(epoch))
    assert trained == list(range(1, 17))


def test_a_shard_without_models_is_empty():
    arms = cook(originals(()))
    assert arms["member"].tensors["conv1.weight"].shape == (0, 2, 3, 2, 8, 1, 5, 5)
    assert arms["soup"].tensors["test_accuracy"].shape == (0, 2, 2)


def test_originals_are_left_alone():
    of = originals()
    before = copy.deepcopy(of.parameters)
    cook(of)
    assert all(torch.equal(of.parameters[name], tensor) for name, tensor in before.items())


# --- unrelated models


def test_partners_are_the_next_models_of_the_same_activation():
    assert partners(["tanh"] * 4, 3) == [[0, 1, 2], [1, 2, 3], [2, 3, 0], [3, 0, 1]]
    assert partners(["tanh", "relu", "tanh", "gelu"], 3) == [[0, 2], None, [2, 0], None]


def test_strangers_do_not_depend_on_the_shard(arms):
    of = originals()
    recipe = Recipe.of(SETTINGS, "unrelated_models", 3)
    members = {name: arms["member"].tensors[name][:, :, :1, 0] for name in of.parameters}
    zoo, data = Dense("zoo", of, (50, 50, 50)), data_of(of)
    mixed, kept = mix_unrelated_models(ENGINE, zoo, members, [0, 1, 2], data, recipe)
    assert kept == [0, 2]  # b is the only one with its activation
    one, rows = mix_unrelated_models(ENGINE, zoo, members, [2], data, recipe)
    assert rows == [2]
    for arm, trajectory in one.items():
        for name in weights(trajectory):
            torch.testing.assert_close(trajectory.tensors[name], mixed[arm].tensors[name][1:], rtol=1e-3, atol=1e-5)
    expected = torch.tensor([round(recipe.sparsity(goal, 1) * 2416) for goal in recipe.goals])
    for arm in ("own_masks", "one_mask"):
        assert (zeros(mixed[arm])[:, :, 0] == expected).all()
    for name in weights(mixed["one_mask_part"]):
        parts = mixed["one_mask_part"].tensors[name][:, :, :, 0]
        assert torch.equal(parts[:, :, 0] == 0, parts[:, :, 1] == 0)
        assert torch.equal(parts[:, :, 0], members[name][[0, 2]][:, :, 0])
        own = mixed["own_masks_part"].tensors[name][:, :, :, 0]
        assert torch.equal(own[0, :, 1], members[name][2, :, 0])


@pytest.mark.parametrize("rows", [[], [1]], ids=["none", "none with a partner"])
def test_a_shard_without_strangers_is_empty(arms, rows):
    of = originals()
    members = {name: arms["member"].tensors[name][:, :, :1, 0] for name in of.parameters}
    recipe = Recipe.of(SETTINGS, "unrelated_models", 3)
    mixed, kept = mix_unrelated_models(ENGINE, Dense("zoo", of, ()), members, rows, data_of(of), recipe)
    assert kept == []
    assert mixed["one_mask_part"].tensors["fc2.bias"].shape[:4] == (0, 2, 2, 1)
    assert mixed["own_masks"].tensors["test_accuracy"].shape == (0, 2, 1)


def test_strangers_on_one_mask_start_as_low_as_their_schedule_says(arms, monkeypatch):
    """ALLR: the less a mask takes of a dense network, the lower its learning rate."""
    of = originals()
    members = {name: arms["member"].tensors[name][:, :, :1, 0] for name in of.parameters}
    recipe = Recipe.of(SETTINGS.model_copy(update={"schedule": "allr"}), "unrelated_models", 3)
    seen = []
    train = member_training.Retraining.train

    def spy(self, name, population, lengths):
        seen.append(lengths.highest)
        return train(self, name, population, lengths)

    monkeypatch.setattr(member_training.Retraining, "train", spy)
    mix_unrelated_models(ENGINE, Dense("zoo", of, (50, 50, 50)), members, [0], data_of(of), recipe)
    (highest,) = seen
    for lane, goal in enumerate(recipe.goals):  # of model 0, the only stranger is c
        squares = {name: of.parameters[name][2].double().square() for name in of.parameters}
        kept = {name: squares[name] * (members[name][0, lane, 0] != 0) for name in of.architecture.weight_names}
        lost = sum((squares[name] - kept[name]).sum() for name in kept) / sum(map(torch.sum, squares.values()))
        expected = allr_start(math.sqrt(lost), recipe.share(goal), recipe.epochs(1), 50)
        assert highest[lane].item() == pytest.approx(expected, rel=1e-6)
    assert (highest < 1).all()


def test_exported_members_have_the_factors_that_they_were_trained_with():
    recipe = Recipe.of(SETTINGS, "lr", 3)
    assert recipe.factors(MODELS[0], 2.0).lr == pytest.approx(6e-3)
    assert recipe.factors(MODELS[0], None).lr == pytest.approx(3e-3)  # an average
