"""Retraining from masks: whose masks and weights, which budgets, and that it is training as plain PyTorch does it."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError

from plain_networks import module_indices
from reference import train_one
from test_gradual_pruning import half_of, shown, some_originals
from test_torch_engine import ROUNDING, images
from zootwins.population import native_engine
from zootwins.population.initialisation import initial_parameters
from zootwins.population.native_engine import NativeEngine
from zootwins.population.torch_engine import TorchEngine
from zootwins.population.trajectory import Plan, record_trajectory
from zootwins.run.errors import InputError
from zootwins.sparsifiers import gradual_pruning, lottery_ticket, magnitude_pruning, scratch, shuffled_mask
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.sparsifiers.gradual_pruning import GradualPruning
from zootwins.sparsifiers.lottery_ticket import LotteryTicket
from zootwins.sparsifiers.magnitude_pruning import MagnitudePruning
from zootwins.sparsifiers.scores import permuted
from zootwins.sparsifiers.scratch import Scratch, scaled
from zootwins.sparsifiers.shuffled_mask import ShuffledMask
from zootwins.sparsifiers.sparsify import sparsify
from zootwins.storage.shards import read_shard, write_trajectory
from zootwins.zoos.initial import rebuilt
from zootwins.zoos.training import train_zoo

MP = magnitude_pruning.Settings(sparsities=(50, 80, 90), epochs=1)
OTHERS = {"mp": MP, "gmp": gradual_pruning.Settings(sparsities=(80,), epochs=3, ends=(1,))}
CHOSEN = {"sparsities": (90, 50), "masks": "mp", "epochs": 4, "lr": 1e-2, "pruning_epochs": 1}
BOTH = ("none", "sparse")
METHODS = [
    (Scratch(), scratch.Settings(**CHOSEN, init_scales=BOTH)),
    (LotteryTicket(), lottery_ticket.Settings(**CHOSEN)),
    (ShuffledMask(), shuffled_mask.Settings(**CHOSEN)),
]
EACH = pytest.mark.parametrize(("method", "settings"), METHODS, ids=["scratch", "lottery", "shuffled"])


@pytest.fixture(scope="module")
def originals():
    return some_originals()


@pytest.fixture(scope="module")
def shard(originals, tmp_path_factory):
    """The magnitude-pruned twins of the originals, as a job reads them."""
    inputs, method = SparsifierInputs("zoo", originals), MagnitudePruning()
    path = tmp_path_factory.mktemp("twins") / "0000-0001.safetensors"
    trajectory = sparsify(TorchEngine(), method, MP, inputs, shown(originals))
    write_trajectory(path, "mp", trajectory, originals.models, originals.index, axes=method.axes(MP))
    return read_shard(path)


@pytest.fixture
def inputs(originals, shard):
    return SparsifierInputs("zoo", originals, {"mp": shard}, {0: rebuilt(originals)})


def kept(population, ratios=3):
    """How many weights of each twin stay, `[models, ratios, layers]`."""
    masks = [mask.flatten(1).sum(1) for mask in population.masks.values()]
    return torch.stack(masks, dim=1).unflatten(0, (-1, ratios))


def test_the_budgets_follow_from_the_originals_and_the_masks_method():
    settings = LotteryTicket().resolve_settings(lottery_ticket.Settings(sparsities=(80,), masks="gmp"), OTHERS, 25)
    assert settings.budgets == (25, 28, 50)
    plan = LotteryTicket().plan(SparsifierInputs("zoo", some_originals()), settings)
    assert (plan.epochs, list(plan.prediction_states)) == (50, [0, 25, 28, 50])
    begun = {"gmp": OTHERS["gmp"].model_copy(update={"start": "init", "epochs": 27})}  # pruned while it was trained
    assert LotteryTicket().resolve_settings(lottery_ticket.Settings(sparsities=(80,)), begun, 25).budgets == (
        25,
        27,
        50,
    )
    as_long = {"gmp": begun["gmp"].model_copy(update={"epochs": 25})}
    resolved = LotteryTicket().resolve_settings(lottery_ticket.Settings(sparsities=(80,)), as_long, 25)
    assert resolved.budgets == (25, 25, 50)
    assert lottery_ticket.Settings(**resolved.model_dump()) == resolved  # as a rule's parameters give them
    settings = lottery_ticket.Settings(sparsities=(80,), masks="gmp", epochs=6, pruning_epochs=2)
    assert LotteryTicket().resolve_settings(settings, OTHERS, 25).budgets == (3, 5, 6)
    assert LotteryTicket().needs(settings) == ("gmp",)


@pytest.mark.parametrize(
    ("given", "epochs", "message"),
    [
        ({"masks": "gmp", "sparsities": (50, 80, 90)}, 25, "gmp makes no mask of 50 and 90 % .but of 80.; add them"),
        ({"masks": "mp"}, None, "does not say how many epochs .* set the zoo's epoch"),
        ({"masks": "gmp"}, 2, "4 end before the budget of 2 epochs and 3 of gmp; raise epochs"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(given, epochs, message):
    settings = scratch.Settings(**{"sparsities": (80,)} | given)
    with pytest.raises(ValueError, match=message):
        Scratch().resolve_settings(settings, OTHERS, epochs)


def test_a_source_of_masks_that_is_not_run_is_refused():
    with pytest.raises(ValueError, match="masks: 'gmp' is no method of this zoo; add it"):
        Scratch().resolve_settings(scratch.Settings(sparsities=(80,)), {"mp": MP}, 25)


@pytest.mark.parametrize("wrong", [{"epochs": 5}, {"init_scales": ("none", "none")}])
def test_values_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValidationError):
        scratch.Settings(**{"sparsities": (80,)} | wrong)


@EACH
def test_masks_are_the_sources_in_the_order_of_the_ratios(method, settings, inputs, shard):
    """Those of 0, 50 and 90 %, of which the source has 80 % between; shuffled, as many in each layer."""
    population = method.population(inputs, settings)
    every = 2 if method.id == "scratch" else 1
    for name, mask in population.masks.items():
        source = shard.tensor(f"mask.{name}")[:, [0, 1, 3]].flatten(0, 1).repeat_interleave(every, dim=0)
        assert torch.equal(mask.flatten(1).sum(1), source.flatten(1).sum(1))
        assert torch.equal(mask, source) == (method.id != "shuffled")
        assert (population.parameters[name][~mask] == 0).all()


def test_masks_are_those_at_the_operating_points_of_gradual_pruning(originals, tmp_path):
    """Of its twins at several ends and distributions."""
    method = GradualPruning()
    settings = gradual_pruning.Settings(sparsities=(50, 90), epochs=3, ends=(2, 1), distributions=("global", "uniform"))
    trajectory = sparsify(TorchEngine(), method, settings, SparsifierInputs("zoo", originals), shown(originals))
    path = tmp_path / "0000-0001.safetensors"
    write_trajectory(path, "gmp", trajectory, originals.models, originals.index, axes=method.axes(settings))
    shard, names = read_shard(path), originals.architecture.weight_names
    retraining = lottery_ticket.Settings(**CHOSEN | {"masks": "gmp"})
    masks = (
        LotteryTicket()
        .population(SparsifierInputs("zoo", originals, {"gmp": shard}, {0: rebuilt(originals)}), retraining)
        .masks
    )
    twins = [shard.twin(point.at) for point in method.curve(settings)]
    for name in names:
        assert torch.equal(masks[name], shard.twins(f"mask.{name}")[:, twins].flatten(0, 1))
    elsewhere = shard.tensor(f"mask.{names[0]}")[:, 1, :, 1]
    assert not torch.equal(masks[names[0]][1::3], elsewhere[:, 0])


def test_masks_of_other_models_are_refused(inputs, shard):
    other = replace(shard, models=["a", "c"])
    with pytest.raises(InputError, match="holds other models than their originals; make it again: snakemake"):
        METHODS[1][0].population(replace(inputs, twins={"mp": other}), METHODS[1][1])


@EACH
def test_a_twin_does_not_depend_on_its_neighbours(method, settings, inputs, tmp_path):
    whole = method.population(inputs, settings)
    alone = replace(half_of(inputs.originals, 1), models=["b"])
    trajectory = sparsify(TorchEngine(), MagnitudePruning(), MP, SparsifierInputs("zoo", alone), shown(alone))
    write_trajectory(tmp_path / "b.safetensors", "mp", trajectory, ["b"], [1], axes=MagnitudePruning().axes(MP))
    twins = {"mp": read_shard(tmp_path / "b.safetensors")}
    single = method.population(SparsifierInputs("zoo", alone, twins, {0: rebuilt(alone)}), settings)
    assert single.keys.tolist() == whole.keys[len(single) :].tolist()
    for kind in ("parameters", "masks"):
        for name, tensor in getattr(single, kind).items():
            assert torch.equal(tensor, getattr(whole, kind)[name][len(single) :]), name


def test_lottery_tickets_start_from_the_models_own_initial_weights(inputs):
    population = LotteryTicket().population(inputs, METHODS[1][1])
    for model, factors in enumerate(inputs.originals.factors):
        own = initial_parameters(inputs.originals.architecture, factors)
        for name, tensor in own.items():
            for twin in range(3 * model, 3 * model + 3):
                mask = population.masks[name][twin] if name in population.masks else True
                assert torch.equal(population.parameters[name][twin], tensor * mask)


def test_scratch_starts_anew_and_shuffled_from_the_same(inputs):
    """Another draw than the model's own, by its initialiser; the same for all ratios, so that masks alone differ.

    All retrainings of a model and ratio have one random stream: the order of their images is the same.
    """
    ours, theirs = (method.population(inputs, settings) for method, settings in (METHODS[0], METHODS[2]))
    for name in inputs.originals.architecture.weight_names:
        dense = ours.parameters[name][::6]
        assert torch.equal(dense, theirs.parameters[name][::3])
        assert not torch.equal(dense[0], dense[1])
        assert abs(torch.corrcoef(torch.stack([dense.flatten(), inputs.earlier[0][name].flatten()]))[0, 1]) < 0.25
        assert dense.std().item() == pytest.approx(1, abs=0.25)  # `factors` initialise with normal numbers
        sparse = ours.parameters[name][4::6] * ours.masks[name][4::6]
        assert torch.equal(sparse, dense * ours.masks[name][4::6])
    assert ours.keys[::2].tolist() == theirs.keys.tolist()
    assert len(set(theirs.keys.tolist())) == 6


def test_a_sparse_start_is_scaled_by_what_is_left_of_each_layer(inputs):
    """Twins lie none, sparse, none, …; one ratio's draw the same random numbers."""
    population = Scratch().population(inputs, METHODS[0][1])
    assert population.keys[::2].tolist() == population.keys[1::2].tolist()
    for name, parameter in population.parameters.items():
        plain, sparse = parameter[::2].double(), parameter[1::2].double()
        left = population.masks[name][::2].flatten(1).double().mean(1) if name in population.masks else torch.ones(6)
        expected = plain / left.sqrt().view(-1, *[1] * (plain.ndim - 1))
        torch.testing.assert_close(sparse, expected, rtol=1e-6, atol=0)
    empty = scaled(torch.ones(1, 4), torch.zeros(1, 4, dtype=torch.bool))
    assert torch.equal(empty, torch.ones(1, 4))


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 60))
@hypothesis_settings(max_examples=30)
def test_shuffling_is_a_permutation(key, number):
    generator = torch.Generator().manual_seed(key)
    words = torch.randint(2**32, (2, 3, 4, 5), generator=generator)
    mask = (torch.arange(60) < number).view(1, 3, 4, 5).expand(2, -1, -1, -1)
    shuffled = permuted(mask, words)
    assert shuffled.flatten(1).sum(1).tolist() == [number, number]
    places = permuted(torch.arange(60).view(1, 3, 4, 5).expand(2, -1, -1, -1), words)
    assert (places.flatten(1).sort(1).values == torch.arange(60)).all()
    assert torch.equal(shuffled, mask.flatten(1).gather(1, places.flatten(1)).view_as(mask))


def test_shuffled_masks_overlap_with_their_source_by_chance(inputs, shard):
    """fc1 has 720 weights: of the n that stay, n²/720 are expected in both, with a deviation of a few."""
    population = ShuffledMask().population(inputs, METHODS[2][1])
    source = shard.tensor("mask.fc1.weight")[:, 1].flatten(1).double()
    shuffled = population.masks["fc1.weight"][1::3].flatten(1).double()
    number = source.sum(1)
    assert (((source * shuffled).sum(1) - number**2 / 720).abs() < 5 * 720**0.5 / 2).all()
    assert not torch.equal(shuffled[0], shuffled[1])


@EACH
def test_retraining_equals_plain_pytorch(method, settings, inputs):
    """In float64, Adam and SGD with weight decay, two epochs under the masks."""
    exact = replace(
        inputs,
        originals=replace(
            inputs.originals, parameters={name: p.double() for name, p in inputs.originals.parameters.items()}
        ),
    )
    of = method.population(exact, settings)
    of.parameters = {name: p.double() for name, p in of.parameters.items()}
    data = images(of, 21)
    expected = [train_one(of, twin, data, data, 2)[1] for twin in range(len(of))]
    for epoch in (1, 2):
        TorchEngine().train_epoch(of, data, epoch)
    for twin, network in enumerate(expected):
        indices = module_indices(of.architecture, dropout=False)
        for layer in of.architecture.layers:
            module = network.module_list[indices[layer.name]]
            weight, bias = (of.parameters[f"{layer.name}.{kind}"][twin] for kind in ("weight", "bias"))
            torch.testing.assert_close(weight, (module.weight_orig * module.weight_mask).detach(), **ROUNDING)
            torch.testing.assert_close(bias, module.bias.detach(), **ROUNDING)


def test_without_a_mask_it_is_training(inputs):
    """The dense control of lottery tickets, given the keys of training, becomes the original again."""
    originals, data = inputs.originals, shown(inputs.originals)
    network = originals.architecture
    trained = train_zoo(TorchEngine(), originals.models, originals.factors, network, data, 2, "zoo").tensors
    of = LotteryTicket().population(inputs, METHODS[1][1].model_copy(update={"lr": None}))
    from zootwins.run.keys import stream_key

    of.keys = torch.tensor([stream_key("zoo", model, "train") for model in originals.models for _ in range(3)])
    again = record_trajectory(TorchEngine(), of, data, Plan(2)).tensors
    for name in originals.architecture.parameter_shapes:
        assert torch.equal(again[name][::3], trained[name]), name


@pytest.mark.skipif(not native_engine.is_available(), reason="the native engine is not built here")
@EACH
def test_both_engines_agree(method, settings, inputs):
    data = shown(inputs.originals)
    one, other = (
        sparsify(engine, method, settings, inputs, data).tensors for engine in (TorchEngine(), NativeEngine())
    )
    for name in inputs.originals.architecture.parameter_shapes:
        torch.testing.assert_close(one[name], other[name], rtol=5e-3, atol=5e-4)


@EACH
def test_a_short_run(method, settings, inputs):
    tensors = sparsify(TorchEngine(), method, settings, inputs, shown(inputs.originals)).tensors
    scales = (2,) if method.id == "scratch" else ()
    assert tensors["predictions"].shape == (2, 3, *scales, 4, 8)  # states 0, 2, 3 and 4
    assert tensors["fc1.weight"].shape == (2, 3, *scales, 5, 20, 36)
    sparsity = tensors["sparsity"].double() @ inputs.originals.architecture.weight_shares
    assert (tensors["sparsity"] == tensors["sparsity"][..., :1, :]).all()
    assert sparsity[0, ..., 0].flatten()[:: 2 if scales else 1].tolist() == pytest.approx([0, 0.5, 0.9], abs=2e-3)
    point = method.point(settings, method.default_point(settings))
    assert (point.epoch, point.at["ratio"]) == (4, 0.9)
    assert point.at.get("sparse_init", 0) == 0


@EACH
def test_a_shard_without_models_has_no_twins(method, settings, originals, tmp_path):
    """All of its models may be excluded: its file is there, with nothing in it."""
    none = replace(
        originals, models=[], index=[], factors=[], parameters={n: p[:0] for n, p in originals.parameters.items()}
    )
    data, path = shown(originals), tmp_path / "0000-0001.safetensors"
    pruned = sparsify(TorchEngine(), MagnitudePruning(), MP, SparsifierInputs("zoo", none), data)
    write_trajectory(path, "mp", pruned, [], [], axes=MagnitudePruning().axes(MP))
    inputs = SparsifierInputs("zoo", none, {"mp": read_shard(path)}, {0: rebuilt(none)})
    weights = sparsify(TorchEngine(), method, settings, inputs, data).tensors["fc1.weight"]
    assert weights.shape[0] == 0
    assert weights.shape[-3:] == (5, 20, 36)
