"""L0 gates: closed forms, frequencies of draws, and training of both engines against plain PyTorch."""

import math
from dataclasses import replace

import pytest
import torch
from scipy import stats
from scipy.special import expit, logit

from reference import train_one_gated
from test_torch_engine import MIXED, PENALTIES, ROUNDING, images, population
from test_training_hooks import SAMPLES, lr_factors
from zootwins.population import HardConcrete, Population, layer_sparsity, native_engine
from zootwins.population.hard_concrete import expected_gate, open_probability, sampled_gate
from zootwins.population.native_engine import LEVEL_VARIABLE, NativeEngine
from zootwins.population.randomness import gate_uniforms
from zootwins.population.torch_engine import TorchEngine

native = pytest.mark.skipif(not native_engine.is_available(), reason="the native engine is not built here")
LEVELS = list(dict(native_engine._native.levels())) if native_engine.is_available() else ["none"]
DRAWS = 1_000_000
GRADIENT_TOLERANCE = 1e-5  # relative, in the norm of each parameter's gradient, float32 against float64
MODELS = [replace(model, dropout=0.0) for model in MIXED]


def gated(of: Population, gate_lr: float | None = None, spread: float = 1.5) -> Population:
    """With gates on both sides of all their thresholds."""
    weights = HardConcrete(initial_log_alpha=0.5, gate_lr=gate_lr)
    parameters = weights.start(of.parameters)
    generator = torch.Generator().manual_seed(4)
    for name, parameter in parameters.items():
        if name.endswith("log_alpha"):
            parameter += spread * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
    return replace(of, parameters=parameters, weights=weights)


def test_gates_of_evaluation():
    threshold = logit(1 / 12)  # where σ(log α)·1.2 is 0.1
    assert threshold == pytest.approx(-2.397895, abs=1e-6)
    log_alpha = torch.tensor(
        [0, threshold - 1e-6, threshold + 1e-6, -threshold - 1e-6, -threshold + 1e-6, 2.197], dtype=torch.float64
    )
    gates = expected_gate(log_alpha)
    assert gates[0] == pytest.approx(0.5)
    assert gates[1] == 0 < gates[2]
    assert gates[3] < 1 == gates[4]
    assert gates[5] == pytest.approx(1.2 * expit(2.197) - 0.1)


def test_the_penalty_is_the_chance_that_a_gate_is_open():
    assert open_probability(torch.tensor(0.0, dtype=torch.float64)).item() == pytest.approx(expit(1.598597), abs=1e-7)
    of = gated(population())
    expected = sum(
        torch.sigmoid(p - 2 / 3 * math.log(1 / 11)).flatten(1).sum(1) for n, p in of.parameters.items() if "alpha" in n
    )
    torch.testing.assert_close(of.weights.penalty(of.parameters), expected, **ROUNDING)


@pytest.mark.parametrize("log_alpha", [-1.0, 0.0, 2.197])
def test_frequencies_of_drawn_gates(log_alpha):
    """Shares of 0 and of 1, and the distribution between, of a million draws of the generator."""
    u = gate_uniforms(torch.tensor([11]), 3, 40, DRAWS)[0].double()
    gates = sampled_gate(torch.full_like(u, log_alpha), u)

    def below(z):  # P(gate ≤ z), Louizos et al., eq. 24
        return expit(logit((z + 0.1) / 1.2) * 2 / 3 - log_alpha)

    deviation = 4 / 2 / DRAWS**0.5  # four standard errors of a share, at most
    assert (gates == 0).double().mean().item() == pytest.approx(below(0), abs=deviation)
    assert (gates == 1).double().mean().item() == pytest.approx(1 - below(1), abs=deviation)
    assert 1 - open_probability(torch.tensor(log_alpha)).item() == pytest.approx(below(0), abs=1e-6)
    between = gates[(gates > 0) & (gates < 1)][:20_000]
    inside = stats.kstest(between, lambda z: (below(z) - below(0)) / (below(1) - below(0)))
    assert inside.pvalue > 1e-3
    if log_alpha == 2.197:
        assert below(0) == pytest.approx(0.0220, abs=1e-4)
        assert 1 - below(1) == pytest.approx(0.645, abs=1e-3)


def test_models_start_as_they_were_and_gates_do_not_decay():
    of = population()
    weights = HardConcrete()
    started = weights.start(of.parameters)
    assert all(torch.equal(weights.deterministic(started)[name], p) for name, p in of.parameters.items())
    assert weights.deterministic(started).keys() == of.parameters.keys()
    assert [name for name in started if not weights.decays(name)] == [name for name in started if "alpha" in name]


@pytest.mark.parametrize("gate_lr", [None, 0.05])
@pytest.mark.parametrize(("name", "channels"), [("cnn_s", 1), ("cnn_l", 3)])
def test_training_equals_plain_pytorch(name, channels, gate_lr):
    """Two epochs of Adam and SGD with gates sharing their optimiser, or an Adam of their own, and stops and starts."""
    of = gated(population(MODELS, name, channels), gate_lr)
    data = images(of, SAMPLES)
    expected = [
        train_one_gated(
            of,
            model,
            data,
            2,
            PENALTIES[model],
            gate_lr,
            lambda epoch, batch, model=model: lr_factors(epoch)[model, batch].item(),
        )
        for model in range(len(of))
    ]
    penalty = torch.tensor(PENALTIES, dtype=torch.float64)
    for epoch in (1, 2):
        TorchEngine().train_epoch(of, data, epoch, penalty=penalty, lr_factors=lr_factors(epoch))
    for model, layers in enumerate(expected):
        for layer in layers:
            for kind, parameter in layer.named_parameters():
                actual = of.parameters[f"{layer.layer.name}.{kind}"][model]
                torch.testing.assert_close(actual, parameter.detach(), **ROUNDING)


@native
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("name", "channels"), [("cnn_s", 1), ("cnn_s", 3), ("cnn_l", 1), ("cnn_l", 3)])
def test_gradients_of_the_native_engine_are_those_of_float64_autograd(level, name, channels, monkeypatch):
    """After a first step of SGD the momentum buffer is the gradient; 20 models are more than one block."""
    monkeypatch.setenv(LEVEL_VARIABLE, level)
    sgd = [replace(model, optimizer="sgd", lr=0.0, weight_decay=0.0, batch_size=4) for model in (MIXED * 4)[:20]]
    exact = gated(population(sgd, name, channels))
    of = replace(exact, parameters={key: parameter.float() for key, parameter in exact.parameters.items()})
    data = images(exact, 4)
    penalty = 0.01 * torch.arange(20, dtype=torch.float64)
    for engine, each in ((TorchEngine(), exact), (NativeEngine(), of)):
        engine.train_epoch(each, data, 7, penalty=penalty)
    for key in exact.parameters:
        actual, expected = (each.optimizer_state[f"exp_avg.{key}"].flatten(1) for each in (of, exact))
        error = (actual.double() - expected).norm(dim=1) / expected.norm(dim=1).clamp_min(1e-12)
        assert error.max() < GRADIENT_TOLERANCE, key


@pytest.mark.parametrize("engine", [TorchEngine(), pytest.param("native", marks=native)])
def test_a_strong_penalty_closes_gates(engine):
    """The more of the same model, in 60 steps of an Adam of their own; what is evaluated are weights times gates."""
    engine = NativeEngine() if engine == "native" else engine
    weights = HardConcrete(gate_lr=0.5)
    one = population(MODELS[:1], dtype=torch.float32)
    alike = {name: parameter.repeat_interleave(6, dim=0) for name, parameter in one.parameters.items()}
    of = Population(one.architecture, MODELS[:1] * 6, one.keys.repeat(6), weights.start(alike), weights=weights)
    data, penalty = images(of, 160), torch.tensor([0, 1e-4, 1e-3, 1e-2, 0.1, 1.0], dtype=torch.float64)
    assert (layer_sparsity(of.deterministic().parameters, of.architecture) == 0).all()
    for epoch in (1, 2, 3):
        engine.train_epoch(of, data, epoch, penalty=penalty)
    sparsity = layer_sparsity(of.deterministic().parameters, of.architecture) @ of.architecture.weight_shares
    assert (sparsity[1:] >= sparsity[:-1] - 0.02).all()
    assert sparsity[0] < 0.5 < 0.99 < sparsity[-1]
    closed = of.parameters["conv1.log_alpha"] <= logit(1 / 12)
    assert torch.equal(of.deterministic().parameters["conv1.weight"] == 0, closed)
    ours, plain = (engine.evaluate(each, data) for each in (of, of.deterministic()))
    assert torch.equal(ours.loss, plain.loss)
