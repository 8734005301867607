"""Soft thresholds: the public code's weights and gradients, finite differences, and training by the engine."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from reference_data import LAYERS, architecture, of_layers, parameters, reference
from zootwins.population import Factors, ImageSet, Population
from zootwins.population.soft_threshold import SoftThreshold, soft_threshold, threshold_of
from zootwins.population.torch_engine import TorchEngine

ROUNDING = 1e-10  # of theirs, by a closed form
WEIGHTS = SoftThreshold()
FACTORS = Factors(0, "tanh", "uniform", "sgd", 1.0, 0.0, 0.0, 0.0, 60)


def thresholded_population():
    tensors = WEIGHTS.start(parameters())
    for place, layer in enumerate(LAYERS):
        tensors[f"{layer}.threshold"] = reference("str")["s"][place].view(1, 1)
    return Population(architecture(), [FACTORS], torch.tensor([3]), tensors, weights=WEIGHTS)


def test_weights_are_the_published():
    deterministic = thresholded_population().deterministic()
    for name, expected in of_layers("str", "sigmoid.weights.").items():
        torch.testing.assert_close(deterministic.parameters[name], expected, rtol=0, atol=1e-15)
    assert set(deterministic.parameters) == set(parameters())
    sparsity = [float((deterministic.parameters[f"{layer}.weight"] == 0).double().mean()) for layer in LAYERS]
    assert sparsity == pytest.approx(reference("str")["sigmoid.sparsity"].tolist())


def test_a_step_of_the_engine_goes_along_the_published_gradients():
    """One step of plain SGD with learning rate 1 on the batch of all images."""
    before = thresholded_population()
    after = replace(before, parameters={name: tensor.clone() for name, tensor in before.parameters.items()})
    data = reference("network")
    scores = TorchEngine().train_epoch(after, ImageSet(data["images"].double(), data["labels"]), 1)
    assert float(scores.loss[0]) == pytest.approx(float(reference("str")["sigmoid.loss"]), abs=ROUNDING)
    for name, expected in of_layers("str", "sigmoid.gradient_w.").items():
        torch.testing.assert_close(before.parameters[name] - after.parameters[name], expected, rtol=0, atol=ROUNDING)
        s = threshold_of(name)
        slope = reference("str")[f"sigmoid.gradient_s.{name.removesuffix('.weight')}"]
        torch.testing.assert_close((before.parameters[s] - after.parameters[s])[0, 0], slope, rtol=0, atol=ROUNDING)


def test_the_penalty_pulls_thresholds_towards_zero_and_is_half_the_squares():
    population = thresholded_population()
    penalty = torch.tensor([0.5], dtype=torch.float64)
    assert float(WEIGHTS.penalty(population.parameters)) == pytest.approx(
        float(reference("str")["s"].square().sum() / 2)
    )
    data, before = reference("network"), dict(population.parameters)
    population.parameters = {name: tensor.clone() for name, tensor in before.items()}
    TorchEngine().train_epoch(population, ImageSet(data["images"].double(), data["labels"]), 1, penalty=penalty)
    for place, layer in enumerate(LAYERS):
        s = reference("str")["s"][place]
        slope = reference("str")[f"sigmoid.gradient_s.{layer}"] + 0.5 * s
        torch.testing.assert_close(population.parameters[f"{layer}.threshold"][0, 0], s - slope, rtol=0, atol=ROUNDING)


def test_a_very_low_s_is_the_dense_network():
    weight = torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(soft_threshold(weight, torch.full((2, 1), -800.0, dtype=torch.float64)), weight)


def test_the_gradient_of_s_is_a_finite_difference():
    generator, images = torch.Generator().manual_seed(2), torch.rand(5, 4, dtype=torch.float64)
    weight = torch.randn(1, 3, 4, dtype=torch.float64, generator=generator)

    def loss(s):
        return F.cross_entropy(images @ soft_threshold(weight, s)[0].T, torch.tensor([0, 1, 2, 0, 1]))

    assert torch.autograd.gradcheck(loss, torch.tensor([[-1.0]], dtype=torch.float64, requires_grad=True))
