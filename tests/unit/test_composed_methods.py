"""Methods that are compositions: each through `sparsify` on a tiny population, by what defines it."""

from dataclasses import replace

import pytest
import torch

from test_torch_engine import factors, images, population
from zootwins.population import ImageData
from zootwins.population.masks import keep_highest
from zootwins.population.torch_engine import TorchEngine
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.sparsifiers.sparsify import sparsify
from zootwins.sparsifiers.structures import nm_kept
from zootwins.zoos.originals import Originals

ONE_SHOT = ("snip", "grasp", "synflow", "taylor", "wanda", "obc", "woodfisher")
SETTINGS = {
    "acdc": {"phase_epochs": 1, "last_epochs": 1},
    "imp": {"rounds": 3},
    "rigl": {"every": 1, "until": 1.0},
    "set": {"every": 1, "until": 1.0},
    "synflow": {"iterations": 10},
    "dpf": {"end": 1, "every": 100},
} | {method: {} for method in ONE_SHOT if method != "synflow"}


@pytest.fixture(scope="module")
def inputs():
    of = population([factors(0), factors(1, "relu", "sgd")], dtype=torch.float32)
    initial = population([factors(2), factors(3, "relu", "sgd")], dtype=torch.float32).parameters
    return SparsifierInputs(
        "zoo", Originals(of.architecture, ["a", "b"], [0, 1], of.factors, of.parameters), {}, {0: initial}
    )


@pytest.fixture(scope="module")
def data():
    one = images(population([factors(0)], dtype=torch.float32), 64)
    return ImageData(one, one, one)


def made(method, inputs, data, epochs=3, **settings):
    """Its twins at 80 and 90 %: tensors `[models, ratios, states, …]`, and masks `[models, ratios, …]`."""
    sparsifier = get_sparsifier(method)
    chosen = {"sparsities": (80, 90), "epochs": epochs, "lr": 1e-3} | SETTINGS.get(method, {}) | settings
    return sparsify(TorchEngine(), sparsifier, sparsifier.Settings(**chosen), inputs, data).tensors


def final_masks(tensors, place):
    return {n.removeprefix("mask."): t[:, place] for n, t in tensors.items() if n.startswith("mask.")}


def left(masks):
    """Weights that stay of each layer and model, `[models, layers]`."""
    return torch.stack([mask.flatten(1).sum(1) for mask in masks.values()], dim=1)


@pytest.mark.parametrize("method", [*ONE_SHOT, "acdc", "imp", "rigl", "set"])
def test_a_method_prunes_exactly_and_no_layer_is_empty(method, inputs, data):
    tensors = made(method, inputs, data)
    assert final_masks(tensors, 0)["fc1.weight"].all()
    for place, ratio in ((1, 0.8), (2, 0.9)):
        masks = final_masks(tensors, place)
        counts = left(masks)
        assert (counts > 0).all()
        if method in ("wanda", "obc"):
            sizes = [mask[0].numel() for mask in masks.values()]
            assert counts.tolist() == [[size - round(ratio * size) for size in sizes]] * 2
        else:
            assert counts.sum(1).tolist() == [2416 - round(ratio * 2416)] * 2
        for name, mask in masks.items():
            assert (tensors[name][:, place, -1][~mask] == 0).all()


@pytest.mark.parametrize("method", ["snip", "grasp", "synflow", "obc", "imp", "rigl", "set", "channels", "nm"])
def test_a_twin_does_not_depend_on_its_neighbours(method, inputs, data):
    settings = {"patterns": ("2:4", "1:4")} if method == "nm" else {"sparsities": (80, 90)}
    sparsifier = get_sparsifier(method)
    chosen = sparsifier.Settings(**{"epochs": 3, "lr": 1e-3} | SETTINGS.get(method, {}) | settings)
    together = sparsify(TorchEngine(), sparsifier, chosen, inputs, data).tensors
    of, cut = inputs.originals, slice(1, 2)
    one = Originals(of.architecture, ["b"], [1], of.factors[cut], {n: p[cut] for n, p in of.parameters.items()})
    alone_inputs = replace(inputs, originals=one, earlier={0: {n: p[cut] for n, p in inputs.earlier[0].items()}})
    alone = sparsify(TorchEngine(), sparsifier, chosen, alone_inputs, data).tensors
    for name, tensor in alone.items():
        torch.testing.assert_close(together[name][cut], tensor, rtol=0, atol=1e-5, equal_nan=True)
        if name.startswith("mask."):
            assert torch.equal(together[name][cut], tensor)


def test_acdc_with_one_sparse_phase_is_magnitude_pruning(inputs, data, monkeypatch):
    monkeypatch.setattr(type(get_sparsifier("acdc")), "stream", "mp")  # the same order of images
    ours = made("acdc", inputs, data, phase_epochs=5, last_epochs=3, min_left=0)
    mp = made("mp", inputs, data)
    assert ours.keys() == mp.keys()
    assert all(torch.equal(ours[name].nan_to_num(), mp[name].nan_to_num()) for name in mp)


@pytest.mark.parametrize("allocation", ["erk", "lamp"])
def test_magnitude_pruning_by_erk_and_lamp_empties_no_layer(allocation, inputs, data):
    masks = final_masks(made("mp", inputs, data, epochs=1, sparsities=(80, 95), allocation=allocation), 2)
    assert left(masks).sum(1).tolist() == [2416 - round(0.95 * 2416)] * 2
    assert (left(masks) > 0).all()


def test_acdc_alternates_and_ends_sparse(inputs, data):
    tensors = made("acdc", inputs, data, epochs=5)  # sparse 1, dense 2, sparse 3, dense 4, sparse 5
    sparsity = tensors["sparsity"][:, 2].double() @ inputs.originals.architecture.weight_shares
    assert sparsity.ge(0.85).tolist() == [[True, True, False, True, False, True]] * 2
    assert (sparsity[0, [2, 4]] < 0.01).all()  # the other model has units that are always 0


def test_imp_rewinds_and_nests(inputs, data):
    tensors = made("imp", inputs, data, epochs=6, lr=1e-12)  # weights hardly move
    masks = final_masks(tensors, 2)
    for name, mask in masks.items():
        torch.testing.assert_close(tensors[name][:, 2, -1], inputs.earlier[0][name] * mask, rtol=1e-4, atol=1e-9)
        states = tensors[name][:, 2]
        for earlier in range(states.shape[1] - 1):
            assert not ((states[:, earlier] == 0) & (states[:, earlier + 1] != 0)).any()
    sparsity = tensors["sparsity"][:, 2].double() @ inputs.originals.architecture.weight_shares
    expected = [1 - 0.1 ** (k / 3) for k in (1, 1, 1, 2, 2, 3, 3)]
    assert sparsity[0].tolist() == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("method", ["rigl", "set"])
def test_dynamic_methods_keep_counts_of_layers_and_change_masks(method, inputs, data):
    tensors = made(method, inputs, data, epochs=4)
    for name in inputs.originals.architecture.weight_names:
        states = tensors[name][:, 2] != 0
        before, after = states[:, 0].flatten(1), final_masks(tensors, 2)[name].flatten(1)
        assert torch.equal(before.sum(1), after.sum(1))
        if name == "conv2.weight":
            assert (before != after).any()


def test_channels_leave_whole_channels(inputs, data):
    tensors = made("channels", inputs, data, sparsities=(25, 50))
    masks = final_masks(tensors, 2)
    assert left(masks).sum(1).tolist() == [704, 704]
    for mask in masks.values():
        rows = mask.flatten(2)
        assert set(rows.any(2).sum(1).tolist()) <= {rows.shape[1] // 2, rows.shape[1]}


def test_n_of_m_keeps_n_of_every_group(inputs, data):
    sparsifier = get_sparsifier("nm")
    for wrong in ("0:0", "0:4", "4:4", "4:2"):
        with pytest.raises(ValueError, match=f"{wrong} keeps none or all of the weights; write N:M with 0 < N < M"):
            sparsifier.Settings(patterns=("2:4", wrong), epochs=1)
    settings = sparsifier.Settings(patterns=("1:4", "2:4"), epochs=1)
    assert settings.patterns == ("2:4", "1:4")
    assert [point.value for point in sparsifier.curve(settings)] == [0, 50, 75]
    masks = final_masks(sparsify(TorchEngine(), sparsifier, settings, inputs, data).tensors, 2)
    for mask in masks.values():
        assert set(mask.flatten(2).sum(2).flatten().tolist()) == {nm_kept(mask[0, 0].numel(), 1, 4)}


def test_dpf_masks_its_largest_dense_weights(inputs, data):
    tensors = made("dpf", inputs, data)
    names = inputs.originals.architecture.weight_names
    last = {name: tensors[name][:, 2, -2].abs() for name in names}  # before the last epoch, for which they are masked
    masks = keep_highest(last, 0.9)
    for name in names:
        assert torch.equal(tensors[name.replace("weight", "kept")][:, 2, -1].bool(), masks[name])
        assert (tensors[name][:, 2, -1][~masks[name]] != 0).any()
    assert tensors["sparsity"][:, 0].eq(0).all()


def test_str_grows_sparser_with_the_penalty(inputs, data):
    sparsifier = get_sparsifier("str")
    settings = sparsifier.Settings(penalties=(1e-3, 1e6), epochs=3, ramp=0, initial_s=-6, threshold_lr=0.3)
    tensors = sparsify(TorchEngine(), sparsifier, settings, inputs, data).tensors
    sparsity = tensors["sparsity"][..., -1, :].double() @ inputs.originals.architecture.weight_shares
    assert (sparsity[:, 1] > sparsity[:, 0] + 0.1).all()
