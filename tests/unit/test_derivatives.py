"""Gradients, Hessian products and inputs of layers against plain PyTorch networks, one model at a time, in float64."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.func import functional_call, hessian
from torch.nn import functional as F

from test_torch_engine import ROUNDING, factors, images, population
from zootwins.population import ImageSet, derivatives, native_engine
from zootwins.population.hard_concrete import HardConcrete
from zootwins.population.masks import pruning_masks
from zootwins.population.randomness import data_order
from zootwins.population.torch_engine import TorchEngine

ENGINE = TorchEngine()
SMOOTH = [factors(0), factors(1, "gelu"), factors(2, "sigmoid", dropout=0.5)]
SAMPLES = 11
FLOAT32 = 1e-4  # of gradients that are sums of some hundred terms


def masked_population(models=SMOOTH, name="cnn_s", channels=1):
    of = population(models, name, channels)
    of.set_masks(pruning_masks({key: of.parameters[key] for key in of.architecture.weight_names}, 0.6, "global"))
    generator = torch.Generator().manual_seed(2)
    for buffer in of.buffers.values():
        if buffer.is_floating_point():
            buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator))
    of.buffers = {key: b.double() if b.is_floating_point() else b for key, b in of.buffers.items()}
    return of


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Three images and two models at once, so that parts have to be put together."""
    monkeypatch.setattr(derivatives, "_MODELS_AT_ONCE", 2)
    monkeypatch.setitem(derivatives._AT_ONCE, "cpu", 6 * 200 * 64)


def plain(of, model):
    """A network in evaluation without masks of its own: what is masked is 0, and has a gradient."""
    network = of.architecture.module(of.factors[model].activation, of.factors[model].dropout).double().eval()
    network.load_state_dict({name: tensor[model] for name, tensor in of.tensors.items()})
    return network


def images_of(of, samples):
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randn(samples, of.architecture.channels, *[of.architecture.image_size] * 2, generator=generator)
    return ImageSet(pixels.double(), torch.randint(10, (samples,), generator=generator))


def gradients_of(of, model, pixels, labels):
    network = plain(of, model)
    F.cross_entropy(network(pixels), labels).backward()
    return {name: parameter.grad for name, parameter in network.named_parameters()}


@pytest.mark.parametrize(("name", "channels"), [("cnn_s", 1), ("cnn_l", 3), ("resnet20", 3)])
def test_gradients_are_those_of_autograd_at_masked_weights_too(name, channels):
    of = masked_population(name=name, channels=channels)
    data = images_of(of, SAMPLES)
    found = ENGINE.gradients(of, data)
    for model in range(len(of)):
        for key, expected in gradients_of(of, model, data.images, data.labels).items():
            torch.testing.assert_close(found[key][model], expected, **ROUNDING)
    head = of.architecture.head.name + ".weight"
    assert (found[head][~of.masks[head]] != 0).any()


def test_each_model_may_have_samples_of_its_own():
    of = masked_population()
    data, chosen = images(of, SAMPLES), torch.tensor([[0, 5, 5, 2], [1, 2, 3, 4], [10, 9, 8, 7]])
    found = ENGINE.gradients(of, data, chosen)
    for model, rows in enumerate(chosen):
        for key, expected in gradients_of(of, model, data.images[rows], data.labels[rows]).items():
            torch.testing.assert_close(found[key][model], expected, **ROUNDING)


def test_gradients_of_single_images():
    of = masked_population()
    data = images(of, 5)
    found = ENGINE.image_gradients(of, data)
    for model in range(len(of)):
        for row in range(len(data)):
            one = gradients_of(of, model, data.images[row : row + 1], data.labels[row : row + 1])
            for key, expected in one.items():
                torch.testing.assert_close(found[key][model, row], expected, **ROUNDING)


def test_products_with_the_hessian():
    """Against the whole Hessian of two layers that are far apart."""
    of, keys = masked_population(), ("conv1.weight", "fc2.weight")
    data = images(of, SAMPLES)
    generator = torch.Generator().manual_seed(3)
    vectors = {k: torch.randn(of.parameters[k].shape, generator=generator, dtype=torch.float64) for k in keys}
    found = ENGINE.hessian_products(of, data, vectors)
    for model in range(len(of)):
        network = plain(of, model)

        def loss(*weights, network=network):
            logits = functional_call(network, dict(zip(keys, weights, strict=True)), data.images)
            return F.cross_entropy(logits, data.labels)

        blocks = hessian(loss, argnums=(0, 1))(*(of.parameters[key][model] for key in keys))
        for row, key in enumerate(keys):
            expected = sum(
                torch.tensordot(blocks[row][column], vectors[other][model], dims=vectors[other][model].ndim)
                for column, other in enumerate(keys)
            )
            torch.testing.assert_close(found[key][model], expected, **ROUNDING)


@pytest.mark.parametrize(("name", "channels"), [("cnn_s", 1), ("resnet20", 3)])
def test_products_of_a_layer_s_inputs(name, channels):
    """X as `nn.Unfold` has it of what forward hooks see of a network, with padding and strides where there are some."""
    of = masked_population(SMOOTH[:2], name, channels)
    data = images_of(of, 3)
    found = ENGINE.input_products(of, data)
    for model in range(len(of)):
        network, seen = plain(of, model), {}
        for layer in of.architecture.layers:
            network.get_submodule(layer.name).register_forward_hook(
                lambda module, given, _, name=layer.name, seen=seen: seen.update({name: (module, given[0].detach())})
            )
        network(data.images)
        for layer, (module, rows) in seen.items():
            if isinstance(module, nn.Conv2d):
                unfold = nn.Unfold(module.kernel_size, padding=module.padding, stride=module.stride)
                rows = unfold(rows).mT.flatten(0, 1)
            torch.testing.assert_close(found[f"{layer}.weight"][model], rows.mT @ rows, **ROUNDING)


def test_gates_and_noise_are_those_of_evaluation():
    of = population(SMOOTH)
    of.weights = HardConcrete(0.0)
    of.parameters = of.weights.start(of.parameters)
    found = ENGINE.gradients(of, images(of, SAMPLES))
    expected = ENGINE.gradients(of.deterministic(), images(of, SAMPLES))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], tensor) for key, tensor in expected.items())


def test_a_population_without_models_has_no_derivatives():
    of = population([])
    data = images(of, SAMPLES)
    assert ENGINE.image_gradients(of, data)["fc1.weight"].shape == (0, SAMPLES, 20, 36)
    for found in (
        ENGINE.gradients(of, data),
        ENGINE.hessian_products(of, data, {"fc1.weight": torch.zeros(0, 20, 36)}),
    ):
        assert found["fc1.weight"].shape == (0, 20, 36)
    assert ENGINE.input_products(of, data)["conv1.weight"].shape == (0, 25, 25)


@pytest.mark.skipif(not native_engine.is_available(), reason="the native engine is not built here")
def test_the_native_engine_has_them_too():
    of = population(SMOOTH, dtype=torch.float32)
    data = images(of, SAMPLES)
    of_native, of_torch = (engine.gradients(of, data) for engine in (native_engine.NativeEngine(), ENGINE))
    assert all(torch.equal(of_native[key], tensor) for key, tensor in of_torch.items())


@pytest.mark.skipif(not native_engine.is_available(), reason="the native engine is not built here")
def test_gradients_of_the_batch_that_comes_next_are_autograds_in_both_engines():
    """Of masked weights too, and without dropout, decay and penalty; the twins stay as they are."""
    kinds = [factors(0, dropout=0.5), factors(1, "relu", "sgd"), replace(factors(2, "relu", "rmsprop"), l2=0.05)]
    of = population(kinds, dtype=torch.float32)
    of.set_masks({name: of.parameters[name].abs() > 0.2 for name in of.architecture.weight_names})
    before = {name: tensor.clone() for name, tensor in of.parameters.items()}
    data, size, batch = images(of, 21), of.batch_size, 2  # the last batch is smaller
    chosen = data_order(of.keys, 3, len(data))[:, batch * size : (batch + 1) * size]
    expected = ENGINE.gradients(of, data, chosen)
    found = ENGINE.batch_gradients(of, data, 3, batch)
    assert all(torch.equal(found[key], tensor) for key, tensor in expected.items())
    found = native_engine.NativeEngine().batch_gradients(of, data, 3, batch)
    assert found.keys() == expected.keys()
    for key, tensor in expected.items():
        torch.testing.assert_close(found[key], tensor, rtol=FLOAT32, atol=FLOAT32 * float(tensor.abs().max()))
        assert torch.equal(of.parameters[key], before[key])
    assert not of.optimizer_state
