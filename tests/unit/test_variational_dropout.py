"""Formulas of variational dropout against SciPy, numerical integration and the authors' constants."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from test_torch_engine import factors, images, population
from zootwins.population import ImageData
from zootwins.population.torch_engine import TorchEngine
from zootwins.population.variational import GaussianNoise, kl_divergence, log_alpha
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.sparsifiers.sparsify import sparsify
from zootwins.sparsifiers.variational_dropout import Settings, VariationalDropout, kl_weight
from zootwins.zoos.originals import Originals


def test_kl_weight_of_the_authors_schedule():
    assert [kl_weight(epoch) for epoch in (1, 2, 25)] == pytest.approx([0, 0.0004, 0.0096])


@pytest.mark.parametrize("value", [-8.0, -4.0, -1.0, 0.0, 1.0, 3.0, 8.0])
def test_kl_approximates_the_integral(value):
    """KL from the log-uniform prior, by quadrature, up to its additive constant; the fit is good to 0.02 nats."""

    def true(log_a):
        sigma = math.sqrt(math.exp(log_a))  # of a weight with mean 1
        expected = (
            integrate.quad(
                lambda e: stats.norm.pdf(e) * math.log(abs(1 + sigma * e) + 1e-300),
                -12,
                12,
                points=[-1 / sigma],
                limit=400,
            )[0]
            if sigma > 1 / 12
            else -(sigma**2) / 2
        )
        return -0.5 * log_a + expected

    constant = true(25.0)  # KL → constant where α → ∞
    approximation = kl_divergence(torch.tensor(value, dtype=torch.float64)).item()
    assert approximation == pytest.approx(true(value) - constant, abs=0.02)


@given(st.floats(-50, 50), st.floats(-1e3, 1e3, allow_subnormal=False))
def test_log_alpha_is_clamped_by_kind_of_layer(log_sigma2, weight):
    args = torch.tensor(weight, dtype=torch.float64), torch.tensor(log_sigma2, dtype=torch.float64)
    expected = log_sigma2 - 2 * np.log(abs(weight) + 1e-15)
    assert log_alpha(*args, is_conv=True).item() == pytest.approx(np.clip(expected, -8, 8))
    assert log_alpha(*args, is_conv=False).item() == pytest.approx(np.clip(expected, -10, 10))


def test_a_weight_is_pruned_where_log_alpha_reaches_the_threshold():
    """With log σ² = -10 that is |w| ≤ e^-6.5 (domain: 0.2 % of MNIST's weights before training)."""
    parameters = {
        "conv1.weight": torch.tensor([math.exp(-6.4), math.exp(-6.6), 0.0, -1.0]).view(1, 2, 2, 1, 1),
        "conv1.bias": torch.tensor([[0.0, 1.0]]),
        "fc1.weight": torch.tensor([[[1.0]]]),
        "fc1.bias": torch.tensor([[0.0001]]),
    }
    weights = GaussianNoise(threshold=3.0)
    pruned = weights.deterministic(weights.start(parameters))
    assert (pruned["conv1.weight"] == 0).flatten().tolist() == [False, True, True, False]
    assert (pruned["conv1.bias"] == 0).tolist() == [[True, False]]
    assert pruned["fc1.bias"].item() == pytest.approx(0.0001)  # deterministic, hence never pruned
    assert pruned.keys() == parameters.keys()


def test_kernels_are_clamped_as_kernels_whatever_stands_before_them():
    """As in shards, whose tensors have axes and states; thresholds beyond the clamp of 8 tell."""
    weight = torch.full((2, 3, 4, 2, 1, 3, 3), math.exp(-4.6))  # log α = 9.2
    parameters = {"conv1.weight": weight, "conv1.bias": torch.zeros(2, 3, 4, 2)}
    parameters["conv1.log_sigma2"] = torch.zeros_like(weight)
    assert (GaussianNoise(threshold=9.0).deterministic(parameters)["conv1.weight"] != 0).all()
    assert (GaussianNoise(threshold=8.0).deterministic(parameters)["conv1.weight"] == 0).all()


def test_what_is_trained_and_recorded():
    of = population([factors(0), factors(1, "relu", dropout=0.5)], dtype=torch.float32)
    originals = Originals(of.architecture, ["a", "b"], [0, 1], of.factors, of.parameters)
    data = ImageData(images(of, 24), images(of, 8), images(of, 30, seed=2))
    before = {name: tensor.clone() for name, tensor in of.parameters.items()}
    settings = Settings(epochs=2, threshold=3.0, lr=0.3)
    tensors = sparsify(TorchEngine(), VariationalDropout(), settings, SparsifierInputs("zoo", originals), data).tensors
    assert all(torch.equal(of.parameters[name], before[name]) for name in before)
    assert (tensors["fc1.log_sigma2"][:, 0] == -10).all()
    assert tensors["conv1.bias_log_sigma2"].shape == (2, 3, 8)
    assert "fc1.bias_log_sigma2" not in tensors
    assert tensors["predictions"].shape == (2, 3, 30)
    for state in range(3):
        at = {name: tensor[:, state] for name, tensor in tensors.items() if "." in name}
        kept = GaussianNoise(threshold=3.0).deterministic(at)
        expected = torch.stack([(kept[n] == 0).flatten(1).float().mean(1) for n in of.architecture.weight_names], 1)
        torch.testing.assert_close(tensors["sparsity"][:, state], expected)
    assert (tensors["sparsity"][:, 2] != tensors["sparsity"][:, 0]).any()
