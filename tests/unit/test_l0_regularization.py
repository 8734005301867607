"""L0 regularisation as a method: how its penalty grows, that it starts from the originals, and what a run records."""

from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from scipy import stats

from test_torch_engine import ROUNDING, factors, images, population
from zootwins.population import ImageData
from zootwins.population.hard_concrete import HardConcrete
from zootwins.population.torch_engine import TorchEngine
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.sparsifiers.l0_regularization import L0Regularization, Settings
from zootwins.sparsifiers.penalised import penalty_weights
from zootwins.sparsifiers.sparsify import sparsify
from zootwins.zoos.originals import Originals

METHOD = L0Regularization()
SETTINGS = Settings(penalties=(50_000, 1, 1000), epochs=3, ramp=1, gate_lr=0.5, lr=1e-3)


@pytest.fixture(scope="module")
def originals():
    of = population([factors(0), factors(1, "relu", "sgd")], dtype=torch.float32)
    return Originals(of.architecture, ["a", "b"], [0, 1], of.factors, of.parameters)


@pytest.fixture(scope="module")
def data(originals):
    of = METHOD.population(SparsifierInputs("zoo", originals), SETTINGS)
    return ImageData(images(of, 160), images(of, 8), images(of, 30, seed=2))


def test_the_penalty_grows_linearly_and_is_held():
    settings = Settings(penalties=(300, 10), epochs=25, ramp=12)
    weights = torch.stack([penalty_weights(settings, epoch) for epoch in range(1, 26)])
    assert weights.dtype == torch.float64
    assert weights[:, 1].tolist() == pytest.approx([300 / 50_000 * min(1, done / 12) for done in range(25)])
    torch.testing.assert_close(weights[:, 0] * 30, weights[:, 1])
    later = [penalty_weights(settings.model_copy(update={"begin": 5}), epoch)[0].item() for epoch in range(1, 26)]
    assert later == [0] * 5 + weights[:20, 0].tolist()
    at_once = Settings(penalties=(5,), epochs=1, ramp=0)
    assert penalty_weights(at_once, 1).tolist() == pytest.approx([1e-4])


def test_points_are_penalties_and_the_middle_one_is_the_usual():
    assert [point.value for point in METHOD.curve(SETTINGS)] == [1, 1000, 50_000]
    assert METHOD.point(SETTINGS, METHOD.default_point(SETTINGS)).at == {"penalty": 1000}
    with pytest.raises(ValidationError, match="is listed twice"):
        Settings(penalties=(1, 1.0), epochs=1, ramp=0)


def test_gates_are_drawn_with_a_spread(originals):
    """Of the authors' N(2.197, 0.01²), each twin its own; nothing else is drawn anew, and no spread is none."""
    drawn = SETTINGS.model_copy(update={"initial_log_alpha": 2.197, "initial_spread": 0.01})
    inputs, names = (
        SparsifierInputs("zoo", originals),
        [f"{layer.name}.log_alpha" for layer in originals.architecture.layers],
    )
    of = METHOD.population(inputs, drawn)
    gates = torch.cat([of.parameters[name].flatten(1) for name in names], dim=1).double()
    assert stats.kstest(gates.flatten(), "norm", args=(2.197, 0.01)).pvalue > 1e-3
    assert gates.mean().item() == pytest.approx(2.197, abs=4 * 0.01 / gates.numel() ** 0.5)
    assert gates.std().item() == pytest.approx(0.01, rel=4 / (2 * gates.numel()) ** 0.5)
    between = torch.corrcoef(gates) - torch.eye(len(of))
    assert between.abs().max() < 5 / gates.shape[1] ** 0.5

    constant = METHOD.population(inputs, drawn.model_copy(update={"initial_spread": 0}))
    assert torch.equal(of.keys, constant.keys)
    for name, parameter in constant.parameters.items():
        if name in names:
            assert (parameter == torch.tensor(2.197)).all()
        else:
            assert torch.equal(of.parameters[name], parameter)

    second = {name: tensor[1:] for name, tensor in originals.parameters.items()}
    alone = Originals(originals.architecture, ["b"], [1], originals.factors[1:], second)
    single = METHOD.population(SparsifierInputs("zoo", alone), drawn.model_copy(update={"penalties": (1000.0,)}))
    for name in names:  # of two models with three penalties
        assert torch.equal(single.parameters[name], of.parameters[name][4:5])
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        Settings(penalties=(1,), epochs=1, ramp=0, initial_spread=-0.1)


@pytest.mark.parametrize("gate_lr", [0.5, None])
def test_what_is_trained_and_recorded(originals, data, gate_lr):
    """State 0 predicts as the originals do; a stronger penalty closes more gates of the same model."""
    settings = SETTINGS.model_copy(update={"gate_lr": gate_lr})
    before = {name: tensor.clone() for name, tensor in originals.parameters.items()}
    tensors = sparsify(TorchEngine(), METHOD, settings, SparsifierInputs("zoo", originals), data).tensors
    plain = population([factors(0), factors(1, "relu", "sgd")], dtype=torch.float32)
    expected = TorchEngine().evaluate(plain, data.test)
    assert (tensors["fc1.log_alpha"][:, :, 0] == torch.tensor(2.95)).all()
    assert tensors["predictions"].shape == (2, 3, 2, 30)
    for penalty in range(3):
        assert torch.equal(tensors["predictions"][:, penalty, 0], expected.predictions)
        torch.testing.assert_close(tensors["test_loss"][:, penalty, 0].double(), expected.loss, rtol=1e-5, atol=0)
    assert (tensors["sparsity"][:, :, 0] == 0).all()
    assert all(torch.equal(originals.parameters[name], tensor) for name, tensor in before.items())
    for name in originals.architecture.weight_names:
        gates = name.replace("weight", "log_alpha")
        at = {name: tensors[name][:, :, -1], gates: tensors[gates][:, :, -1]}
        zero = HardConcrete().deterministic(at)[name] == 0
        layer = originals.architecture.weight_names.index(name)
        torch.testing.assert_close(zero.flatten(2).float().mean(2), tensors["sparsity"][:, :, -1, layer])
    if gate_lr:
        sparsity = tensors["sparsity"][:, :, -1].double() @ originals.architecture.weight_shares
        assert (sparsity[:, 0] < 0.5).all()
        assert (sparsity[:, 2] > 0.9).all()
        assert (sparsity[:, 2] > sparsity[:, 1]).all()


def test_each_twin_has_its_own_penalty_and_no_neighbour(originals, data):
    """The twins of one model alone are those of the whole shard; none is pushed by another's penalty."""
    exact = {name: tensor.double() for name, tensor in originals.parameters.items()}  # engines work in this dtype
    both = replace(originals, parameters=exact)
    second = Originals(
        both.architecture, ["b"], [1], both.factors[1:], {name: tensor[1:] for name, tensor in exact.items()}
    )
    chosen = SETTINGS.model_copy(update={"penalties": (1000.0,)})
    whole, alone, single = (
        sparsify(TorchEngine(), METHOD, settings, SparsifierInputs("zoo", of), data).tensors
        for of, settings in ((both, SETTINGS), (second, SETTINGS), (second, chosen))
    )
    for name in ("conv1.log_alpha", "fc2.weight"):
        torch.testing.assert_close(whole[name][1:], alone[name], **ROUNDING)
        torch.testing.assert_close(whole[name][1:, 1:2], single[name], **ROUNDING)
    assert (whole["conv1.log_alpha"][1, 0, -1] - whole["conv1.log_alpha"][1, 1, -1]).abs().mean() > 1
