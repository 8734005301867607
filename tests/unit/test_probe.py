"""Probes against nn.Linear with torch.optim.SGD, and against what an optimum has to be."""

from itertools import pairwise
from math import prod

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from plain_networks import module_indices
from reference import network_of
from test_torch_engine import MIXED, images, population
from zootwins.population import native_engine
from zootwins.population.batched_network import layer_features
from zootwins.population.native_engine import NativeEngine
from zootwins.population.probe import (
    exact_head,
    initial_heads,
    predicted_classes,
    regularised_loss,
    train_heads,
    with_ones,
)
from zootwins.population.randomness import data_order
from zootwins.population.torch_engine import TorchEngine
from zootwins.run.keys import stream_key

MODELS, TWINS, SAMPLES, WIDTH = 3, 2, 50, 7
RULE = {"batch_size": 16, "momentum": 0.9, "weight_decay": 5e-4}  # the last batch has 2 samples
LRS = [0.1] * 3 + [0.01] * 2
KEYS = torch.tensor([stream_key("zoo", model) for model in range(MODELS)])


@pytest.fixture
def features() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(MODELS, TWINS, SAMPLES, WIDTH, generator=generator, dtype=torch.float64) * 2


@pytest.fixture
def labels() -> torch.Tensor:
    return torch.randint(10, (SAMPLES,), generator=torch.Generator().manual_seed(1))


def test_probes_equal_linear_modules_trained_by_torch(features, labels):
    heads = train_heads(with_ones(features), labels, KEYS, LRS, **RULE)
    for model in range(MODELS):
        for twin in range(TWINS):
            linear = nn.Linear(WIDTH, 10, dtype=torch.float64)
            start = initial_heads(KEYS[model : model + 1], WIDTH)[0].double()
            linear.weight.data, linear.bias.data = start[:, :-1].clone(), start[:, -1].clone()
            optimizer = torch.optim.SGD(linear.parameters(), lr=1, momentum=0.9, weight_decay=5e-4)
            for epoch, lr in enumerate(LRS, 1):
                optimizer.param_groups[0]["lr"] = lr
                for batch in data_order(KEYS[model : model + 1], epoch, SAMPLES)[0].split(16):
                    optimizer.zero_grad()
                    F.cross_entropy(linear(features[model, twin, batch]), labels[batch]).backward()
                    optimizer.step()
            trained = torch.cat([linear.weight, linear.bias[:, None]], dim=1)
            torch.testing.assert_close(heads[model, twin], trained.detach(), rtol=1e-10, atol=1e-12)


def test_neighbours_do_not_matter(features, labels):
    features = with_ones(features.float())
    together = train_heads(features, labels, KEYS, LRS, **RULE)
    alone = train_heads(features[1:2, 1:], labels, KEYS[1:2], LRS, **RULE)
    torch.testing.assert_close(together[1:2, 1:], alone, rtol=1e-4, atol=1e-6)


def test_heads_begin_as_those_of_linear_modules():
    heads = initial_heads(torch.arange(200), 20)
    bound = 20**-0.5
    assert heads.shape == (200, 10, 21)
    assert heads.abs().max() < bound
    assert heads.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)  # of a uniform distribution
    assert heads.mean().item() == pytest.approx(0, abs=0.01 * bound)
    assert not torch.equal(heads[0], heads[1])
    assert torch.equal(initial_heads(torch.tensor([7]), 20)[0], heads[7])


@pytest.mark.parametrize("scale", [1.0, 300.0])
@pytest.mark.parametrize("classes", [10, 4])
def test_the_exact_optimum_is_one(features, labels, scale, classes):
    """Its gradient vanishes, whatever the units of the features and whether or not all classes occur."""
    x, y, decay = with_ones(features[0, 0] * scale), labels % classes, 5e-4
    head = exact_head(x, y, decay).requires_grad_()
    loss = F.cross_entropy(x @ head.T, y) + decay / 2 * head.square().sum()
    (gradient,) = torch.autograd.grad(loss, head)
    assert gradient.abs().max() < (1e-6 if scale == 1 else 1e-5)  # of 600 times the features, rounding leaves 2e-6
    nearby = [head + 1e-3 * torch.randn_like(head) for _ in range(5)]
    values = regularised_loss(x, y, torch.stack([head, *nearby]).detach(), decay)
    assert values[0].item() == pytest.approx(loss.item(), rel=1e-12)
    assert (values[0] < values[1:]).all()


def test_the_exact_optimum_of_two_classes_is_one(features, labels):
    x, y, decay = with_ones(features[0, 0]), labels % 2, 5e-4
    head = exact_head(x, y, decay, 2).requires_grad_()
    loss = F.cross_entropy(x @ head.T, y) + decay / 2 * head.square().sum()
    (gradient,) = torch.autograd.grad(loss, head)
    assert head.shape == (2, x.shape[1])
    assert gradient.abs().max() < 1e-7


@pytest.mark.parametrize("scale", [1e2, 1e5])
def test_the_exact_optimum_is_found_on_large_collinear_features(features, labels, scale):
    """As those of a network that was not trained and whose weights are all positive."""
    x = features[0, 0].double()
    x = with_ones(scale * torch.relu(x.mean(1, keepdim=True) + 0.01 * x))
    head = exact_head(x, labels, 5e-4).requires_grad_()
    components = torch.linalg.eigh(x.T @ x / len(x) + 5e-4 * torch.eye(x.shape[1]))
    loss = F.cross_entropy(x @ head.T, labels) + 5e-4 / 2 * head.square().sum()
    (gradient,) = torch.autograd.grad(loss, head)
    assert (gradient @ components.eigenvectors / components.eigenvalues.sqrt()).norm() < 1e-7


def test_sgd_does_not_get_below_the_exact_optimum(features, labels):
    x, lrs = with_ones(features / 2), [0.1] * 300 + [0.01] * 100
    found = regularised_loss(x, labels, train_heads(x, labels, KEYS, lrs, **RULE), 5e-4)
    for model in range(MODELS):
        for twin in range(TWINS):
            best = regularised_loss(x[model, twin], labels, exact_head(x[model, twin], labels, 5e-4), 5e-4)
            assert best <= found[model, twin]
            assert found[model, twin] < best + 0.03


@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_features_without_an_exact_optimum_are_told(features, labels, number):
    features[0, 0, 3, 2] = number
    with pytest.raises(ArithmeticError, match="NaN or infinite"):
        exact_head(with_ones(features[0, 0]), labels, 5e-4)


def test_ties_go_to_the_lower_class():
    assert predicted_classes(with_ones(torch.ones(1, 2)), torch.zeros(10, 3)).tolist() == [0]


def test_classes_above_255_are_predicted_as_they_are():
    heads = torch.zeros(300, 3)
    heads[299, 2] = 1
    assert predicted_classes(with_ones(torch.ones(4, 2)), heads).tolist() == [299] * 4


@pytest.mark.parametrize(("name", "channels"), [("cnn_s", 1), ("cnn_l", 3)])
def test_features_are_what_the_next_layer_of_the_network_takes(name, channels):
    of = population(MIXED, name, channels, dtype=torch.float32)
    data = images(of, 9)
    layers = of.architecture.layers
    for layer, following in pairwise(layers):
        found = layer_features(TorchEngine(), of, data, layer.name)
        assert found.shape == (len(of), 9, prod(of.architecture.layer_after(layer.name).input_shape))
        for model in range(len(of)):
            network = network_of(of, model).double().eval()
            indices = module_indices(of.architecture, of.factors[model].dropout > 0)
            with torch.no_grad():
                hidden = torch.nn.Sequential(*network.module_list[: indices[following.name]])(data.images.double())
            torch.testing.assert_close(found[model], hidden.flatten(1).float(), rtol=1e-3, atol=1e-4)


@pytest.mark.skipif(not native_engine.is_available(), reason="the native engine is not built here")
def test_both_engines_have_the_same_features():
    of = population(MIXED, dtype=torch.float32)
    data = images(of, 20)
    torch.testing.assert_close(
        *(layer_features(engine(), of, data, "fc1") for engine in (TorchEngine, NativeEngine)), rtol=1e-3, atol=1e-4
    )
