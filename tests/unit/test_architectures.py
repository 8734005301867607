"""Every registered network, and chains of the catalogue: what tracing derives, and engines against plain PyTorch."""

import json
import sys
from dataclasses import replace
from functools import partial
from itertools import count
from math import prod
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

from plain_networks import dropout_offsets, plain_layers
from zootwins.architectures.activations import activation_module
from zootwins.architectures.architecture import get_architecture, stored_architecture, to_state_dict
from zootwins.architectures.narrowing import narrowed
from zootwins.architectures.registry import REGISTRY, canonical, get_design
from zootwins.experiments.representations.tokens import Tokens
from zootwins.population import Factors, ImageSet, Population
from zootwins.population.any_network import recomputed_buffers
from zootwins.population.batched_network import activation_runs, forward, layer_features
from zootwins.population.engines import get_engine
from zootwins.population.hard_concrete import HardConcrete
from zootwins.population.initialisation import initial_parameters
from zootwins.population.masks import pruning_masks
from zootwins.population.optimizers import OneModel
from zootwins.population.randomness import data_order, gate_uniforms, normals, uniforms
from zootwins.population.torch_engine import TorchEngine
from zootwins.population.variational import GaussianNoise
from zootwins.run.errors import InputError

ROUNDING = {"rtol": 1e-8, "atol": 1e-10}  # float64 over two epochs of some hundred operations each
CHAIN = {
    "layers": [
        {"conv": {"outputs": 5, "kernel": 3, "stride": 2, "padding": 1}},
        *("activation", {"avg_pool": 2}, "dropout"),
        {"linear": 7},
        *("relu", "dropout"),
        {"linear": "classes"},
    ]
}
SMALL = {  # specs that train in a moment, with image channels, classes and size
    "cnn_s": ("cnn_s", 1, 10, 28),
    "cnn_l": ("cnn_l", 3, 4, 32),
    "small_cnn": ("small_cnn", 1, 10, 16),
    "lenet_300_100": ("lenet_300_100", 1, 3, 6),
    "lenet_5": ({"id": "lenet_5", "convolution_activation": False}, 1, 10, 16),
    "resnet20": ({"id": "resnet20", "width": 0.2}, 1, 5, 8),
    "resnet18": ({"id": "resnet18", "width": 0.04}, 3, 10, 8),
    "chain": (CHAIN, 2, 6, 12),
}
FACTORS = [
    Factors(1, "relu", "kaiming_uniform", "sgd", 1e-2, 1e-3, 0.9, 0.0, 8),
    Factors(2, "tanh", "normal", "adam", 1e-3, 0.0, 0.0, 0.3, 8),
]


def test_every_registered_network_is_among_those_that_are_tested():
    assert SMALL.keys() == {*REGISTRY, "chain"}


@pytest.fixture(params=SMALL)
def architecture(request):
    spec, *images = SMALL[request.param]
    return get_architecture(spec, *images)


def made(architecture, factors=FACTORS) -> Population:
    """Models before training, in float64."""
    initial = [initial_parameters(architecture, one) for one in factors]
    tensors = {name: torch.stack([one[name] for one in initial]) for name in architecture.tensor_shapes}
    tensors = {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    for name in architecture.weight_names:
        tensors[name] *= 0.5  # so that activations do not saturate
    return Population(architecture, factors, torch.arange(len(factors)) * 31 + 5, tensors)


def images_for(architecture, samples=20) -> ImageSet:
    size, generator = architecture.image_size, torch.Generator().manual_seed(3)
    images = torch.randn(samples, architecture.channels, size, size, generator=generator, dtype=torch.float64)
    labels = torch.randint(architecture.classes, (samples,), generator=generator)
    return ImageSet(images, labels, architecture.classes)


class PlainDropout(nn.Module):
    def __init__(self, p: float, shape, offset: int):
        super().__init__()
        self.p, self.shape, self.offset, self.numbers = p, shape, offset, None

    def forward(self, hidden):
        if not self.training or not self.p:
            return hidden
        numbers = self.numbers[:, self.offset : self.offset + prod(self.shape)]
        if len(self.shape) == 3:
            numbers = numbers.view(len(hidden), *self.shape[1:], self.shape[0]).permute(0, 3, 1, 2)
        return hidden * (numbers >= self.p) / (1 - self.p)


class PlainNoise(nn.Module):
    """A layer of variational dropout or of gates, written from the papers' formulas."""

    def __init__(self, layer, shape, offset: int, kind: str):
        super().__init__()
        self.layer, self.shape, self.offset, self.kind, self.numbers = layer, shape, offset, kind, None
        self.log = nn.Parameter(torch.full_like(layer.weight, -10.0 if kind == "noise" else 2.95))
        self.conv = isinstance(layer, nn.Conv2d)
        self.log_bias = None
        if kind == "noise" and self.conv and layer.bias is not None:
            self.log_bias = nn.Parameter(torch.full_like(layer.bias, -10.0))

    def apply_to(self, hidden, weight, bias):
        if self.conv:
            return F.conv2d(hidden, weight, bias, self.layer.stride, self.layer.padding)
        return F.linear(hidden, weight, bias)

    def forward(self, hidden):
        weight, bias = self.layer.weight, self.layer.bias
        if self.kind == "gates":
            u = self.numbers[0, self.offset : self.offset + weight.numel()].view_as(weight)
            s = torch.sigmoid(((u + 1e-8).log() - (1 - u).log() + self.log) * 1.5)
            return self.apply_to(hidden, weight * (1.2 * s - 0.1).clamp(0, 1), bias)
        bound = 8 if self.conv else 10
        alpha = (self.log - 2 * (weight.abs() + 1e-15).log()).clamp(-bound, bound).exp()
        of_bias = None
        if self.log_bias is not None:
            of_bias = (self.log_bias - 2 * (bias.abs() + 1e-15).log()).clamp(-8, 8).exp() * bias**2
        variance = self.apply_to(hidden**2, alpha * weight**2, of_bias)
        numbers = self.numbers[:, self.offset : self.offset + prod(self.shape)]
        if self.conv:
            numbers = numbers.view(len(hidden), *self.shape[1:], self.shape[0]).permute(0, 3, 1, 2)
        return self.apply_to(hidden, weight, bias) + (variance + 1e-15).sqrt() * numbers.view_as(variance)


def offsets_of(sizes) -> list[int]:
    offsets = [0]
    for size in sizes:
        offsets.append(offsets[-1] + -(-size // 4) * 4)
    return offsets


def plain_training(of: Population, model: int, data: ImageSet, kind: str, epochs: int) -> nn.Module:
    """One model in plain PyTorch: the architecture's own module, `torch.optim`, and the same random numbers."""
    factors, architecture, key = of.factors[model], of.architecture, of.keys[model : model + 1]
    network = architecture.module(factors.activation, 0.5).double()
    network.load_state_dict(
        {name: tensor[model] for name, tensor in of.tensors.items() if name in network.state_dict()}
    )
    drops = offsets_of(prod(dropout.shape) for dropout in architecture.dropouts)
    noises = offsets_of(layer.sites for layer in architecture.layers)
    gates = offsets_of(layer.weights for layer in architecture.layers)
    sited = {"dropout": [], "noise": [], "gates": []}

    def put(name, module, role):
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, module)
        sited[role].append(module)

    for dropout, offset in zip(architecture.dropouts, drops, strict=False):
        put(dropout.name, PlainDropout(factors.dropout, dropout.shape, offset), "dropout")
    for place, layer in enumerate(architecture.layers):
        module = network.get_submodule(layer.name)
        if kind in ("noise", "gates"):
            offset = (noises if kind == "noise" else gates)[place]
            put(layer.name, PlainNoise(module, layer.output_shape, offset, kind), kind)
        elif kind == "masks":
            prune.custom_from_mask(module, "weight", of.masks[f"{layer.name}.weight"][model])
    parameters = dict(network.named_parameters())
    no_decay = [p for name, p in parameters.items() if kind == "gates" and name.endswith(".log")]
    groups = [
        {"params": [p for p in parameters.values() if not any(p is q for q in no_decay)]},
        *([{"params": no_decay, "weight_decay": 0.0}] if no_decay else []),
    ]
    rule = {"lr": factors.lr, "weight_decay": factors.weight_decay}
    optimizer = (
        torch.optim.Adam(groups, **rule)
        if factors.optimizer == "adam"
        else torch.optim.SGD(groups, momentum=factors.momentum, **rule)
    )
    network.train()
    for epoch in range(1, epochs + 1):
        order = data_order(key, epoch, len(data))[0]
        for first in range(0, len(data), factors.batch_size):
            chosen = order[first : first + factors.batch_size]
            for module in sited["dropout"]:
                module.numbers = uniforms(key, epoch, first, len(chosen), drops[-1])[0]
            for module in sited["noise"]:
                module.numbers = normals(key, epoch, first, len(chosen), noises[-1])[0].double()
            for module in sited["gates"]:
                module.numbers = gate_uniforms(key, epoch, first, gates[-1]).double()
            optimizer.zero_grad()
            F.cross_entropy(network(data.images[chosen]), data.labels[chosen]).backward()
            optimizer.step()
    return network.eval()


@pytest.mark.parametrize("kind", ["plain", "noise", "gates", "masks"])
def test_two_epochs_equal_plain_pytorch(architecture, kind):
    """Activations, optimisers and dropout differ between the models; the last batch is smaller."""
    of, data = made(architecture), images_for(architecture)
    if kind == "masks":
        weights = {name: of.parameters[name] for name in architecture.weight_names}
        of.set_masks(pruning_masks(weights, 0.6, "global"))
    expected = [plain_training(of, model, data, kind, 2) for model in range(len(of))]
    weights = {"noise": GaussianNoise(), "gates": HardConcrete()}.get(kind)
    if weights:
        of = replace(of, parameters=weights.start(of.parameters), weights=weights)
    engine = TorchEngine()
    for epoch in (1, 2):
        engine.train_epoch(of, data, epoch)
    evaluation = engine.evaluate(of, data, ("features",))
    for model, network in enumerate(expected):
        for layer in architecture.layers:
            module = network.get_submodule(layer.name)
            if kind == "masks":
                weight = module.weight_orig * module.weight_mask
            else:
                weight = (module if kind == "plain" else module.layer).weight
            torch.testing.assert_close(of.parameters[f"{layer.name}.weight"][model], weight.detach(), **ROUNDING)
        for name, buffer in network.named_buffers():
            if name in of.buffers:
                torch.testing.assert_close(of.buffers[name][model], buffer, **ROUNDING)
        if kind in ("plain", "masks"):
            with torch.no_grad():
                loss = F.cross_entropy(network(data.images), data.labels)
            assert evaluation.loss[model].item() == pytest.approx(loss.item(), rel=1e-8)


def test_a_chain_as_any_network_equals_the_batched_chain(monkeypatch):
    """With dropout and noise, several models at once: random sites and arithmetic are the same."""
    architecture = get_architecture("cnn_s")
    data, results = images_for(architecture), []
    for as_chain in (True, False):
        of = made(architecture, [replace(one, activation="tanh", dropout=0.3) for one in FACTORS])
        of = replace(of, parameters=GaussianNoise().start(of.parameters), weights=GaussianNoise())
        if not as_chain:
            monkeypatch.setitem(architecture.__dict__, "chain", ())
        TorchEngine().train_epoch(of, data, 1)
        results.append((of.parameters, TorchEngine().evaluate(of, data).loss))
    for name, tensor in results[0][0].items():
        torch.testing.assert_close(results[1][0][name], tensor, **ROUNDING)
    torch.testing.assert_close(results[1][1], results[0][1], **ROUNDING)


def test_models_at_once_equal_models_alone(architecture):
    """`vmap` over models, with which GPUs compute, in training and evaluation, buffers updated in place."""
    of, data = made(architecture, [replace(one, activation="relu") for one in FACTORS]), images_for(architecture, 6)
    runs = activation_runs(of, torch.arange(len(of)))
    for training in (True, False):
        together = {name: tensor.clone() for name, tensor in of.tensors.items()}
        logits, _ = forward(architecture, runs, together, data.images[None], training=training)
        for model in range(len(of)):
            own = {name: tensor[model : model + 1].clone() for name, tensor in of.tensors.items()}
            run = activation_runs(of, torch.tensor([model]))
            alone, _ = forward(architecture, run, own, data.images[None], training=training)
            torch.testing.assert_close(logits[model], alone[0], **ROUNDING)
            for name in architecture.buffer_shapes:
                torch.testing.assert_close(together[name][model], own[name][0], **ROUNDING)


def test_what_another_thread_does_to_another_model_is_no_change_of_this_one():
    """Models that go alone are parts of the same tensors, of which autograd counts the changes."""
    architecture = get_architecture(*SMALL["resnet20"])
    of = made(architecture)
    of.start_optimizer()
    this, other = (OneModel(of, torch.tensor([model]), torch.device("cpu"), None) for model in range(2))
    runs = activation_runs(of, torch.tensor([0]))
    logits, _ = forward(
        architecture,
        runs,
        {**{name: buffer[:1] for name, buffer in of.buffers.items()}, **this.parameters},
        images_for(architecture).images[None],
    )
    for parameter in other.parameters.values():
        with torch.no_grad():
            parameter.add_(1)
    this.step(logits.logsumexp(1).mean(), 0)


def test_a_model_that_stands_still_keeps_its_statistics():
    architecture = get_architecture(*SMALL["resnet20"])
    of, data = made(architecture), images_for(architecture)
    before = {name: tensor.clone() for name, tensor in of.tensors.items()}
    TorchEngine().train_epoch(of, data, 1, lr_factors=torch.tensor([[0.0] * 3, [1.0] * 3]))
    for name, tensor in of.tensors.items():
        assert torch.equal(tensor[0], before[name][0])
    assert of.buffers["bn1.num_batches_tracked"].tolist() == [0, 3]


def test_statistics_after_a_merge_are_those_of_update_bn():
    architecture = get_architecture(*SMALL["resnet20"])
    of, data = made(architecture), images_for(architecture, 300)
    found = recomputed_buffers(of, data.images)
    for model, factors in enumerate(of.factors):
        network = architecture.module(factors.activation).double()
        network.load_state_dict({name: tensor[model] for name, tensor in of.tensors.items()})
        torch.optim.swa_utils.update_bn(data.images.split(128), network)
        for name, buffer in network.named_buffers():
            torch.testing.assert_close(found[name][model], buffer, **ROUNDING)


def test_the_layer_after_the_last_of_a_block_is_the_next_block_s_not_the_shortcut():
    """In the order of the pass the shortcut's convolution comes next, but it takes what the block takes."""
    architecture = get_architecture({"id": "resnet18", "width": 0.04}, 3, 10, 8)
    names = [layer.name for layer in architecture.layers]
    assert names[names.index("layer2.0.conv2") + 1] == "layer2.0.downsample.0"
    for giver, taker in (
        ("layer1.1.conv2", "layer2.0.conv1"),
        ("layer2.0.conv1", "layer2.0.conv2"),
        ("layer2.0.conv2", "layer2.1.conv1"),
        ("layer2.0.downsample.0", "layer2.1.conv1"),
        ("layer4.1.conv2", "fc"),
    ):
        assert architecture.layer_after(giver).name == taker


def take(taken, module, inputs):
    taken.append(inputs[0])


def test_features_are_what_the_next_layer_takes(architecture):
    of, data = made(architecture), images_for(architecture, 5)
    last = architecture.layers[-2].name
    for layer in (architecture.first.name, last):
        taker, taken = architecture.layer_after(layer), []
        network = architecture.module(of.factors[0].activation).double().eval()
        network.load_state_dict({name: tensor[0] for name, tensor in of.tensors.items()})
        network.get_submodule(taker.name).register_forward_pre_hook(partial(take, taken))
        network(data.images)
        found = layer_features(TorchEngine(), of, data, layer)
        assert found.shape == (len(of), 5, prod(taker.input_shape))
        torch.testing.assert_close(found[0].double(), taken[0].flatten(1).detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "channels"), [("cnn_s", 1), ("cnn_s", 3), ("cnn_l", 1), ("cnn_l", 3)])
def test_the_papers_networks_have_the_sites_that_they_always_had(name, channels):
    """Twins do not change: numbers of noise, dropout and gates stand where they stood in version 0.2."""
    architecture = get_architecture(name, channels)
    plain = plain_layers(architecture)
    assert list(architecture.noise_offsets) == offsets_of(layer.outputs * layer.size**2 for layer in plain)
    assert list(architecture.gate_offsets) == offsets_of(layer.weights for layer in plain)
    before = [o for o, layer in zip(dropout_offsets(architecture), plain, strict=False) if layer.dropout]
    assert list(architecture.dropout_offsets[:-1]) == before
    assert architecture.dropout_offsets[-1] == dropout_offsets(architecture)[-1]
    assert [layer.weight_shape for layer in architecture.layers] == [layer.weight_shape for layer in plain]
    assert [layer.multiply_adds for layer in architecture.layers] == [layer.weights * layer.size**2 for layer in plain]
    if name == "cnn_s" and channels == 1:
        assert architecture.noise_offsets == (0, 4608, 4992, 5028, 5048, 5060)
        assert architecture.dropout_offsets == (0, 1152, 1248, 1268)
        assert architecture.gate_offsets == (0, 200, 1400, 1496, 2216, 2416)


@pytest.mark.parametrize(
    ("spec", "images", "parameters", "weights"),
    [
        ("cnn_s", (1, 10, 28), 2464, 2416),
        ("cnn_l", (3, 10, 32), 10853, 10760),
        ("small_cnn", (1, 10, 28), 4970, 4912),
        ("lenet_300_100", (1, 10, 28), 266610, 266200),
        ("lenet_5", (1, 10, 28), 431080, 430500),
        ("resnet20", (3, 10, 32), 269722, 268336),
        ("resnet18", (3, 10, 32), 11173962, 11164352),
    ],
)
def test_sizes_are_the_published_ones(spec, images, parameters, weights):
    architecture = get_architecture(spec, *images)
    assert sum(map(prod, architecture.parameter_shapes.values())) == parameters
    assert architecture.weights == weights
    if spec == "resnet18":  # torchvision's names
        assert len(architecture.tensor_shapes) == 122
        assert architecture.parameter_shapes["layer4.0.downsample.0.weight"] == (512, 256, 1, 1)
        assert architecture.buffer_shapes["layer1.1.bn2.num_batches_tracked"] == ()


def test_layouts_rename_and_come_back(architecture):
    of = made(architecture)
    own = {name: tensor[0] for name, tensor in of.tensors.items()}
    for layout in architecture.layouts.values():
        assert len(set(layout.values())) == len(layout) == len(own)
    for dropout in (0.0, 0.5):
        state = to_state_dict(own, architecture, dropout)
        assert sorted(map(tuple, (tensor.shape for tensor in state.values()))) == sorted(
            tuple(tensor.shape) for tensor in own.values()
        )


NUMBERS = count()
MODULES = {  # between a convolution of four channels and a linear layer
    "nothing": lambda activation: [activation()],
    "bias": lambda activation: [nn.Conv2d(4, 4, 3, bias=False), activation()],
    "groups": lambda activation: [nn.Conv2d(4, 4, 3, groups=2), activation()],
    "dilation": lambda activation: [nn.Conv2d(4, 4, 3, dilation=2), activation()],
    "stride": lambda activation: [nn.Conv2d(4, 4, 3, stride=(1, 2)), activation()],
    "padding": lambda activation: [nn.Conv2d(4, 4, 3, padding=(0, 1)), activation()],
    "same": lambda activation: [nn.Conv2d(4, 4, 3, padding="same"), activation()],
    "circular": lambda activation: [nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular"), activation()],
    "oblong": lambda activation: [nn.Conv2d(4, 4, (3, 1)), activation()],
    "shared activation": lambda activation: [one := activation(), nn.Conv2d(4, 4, 3), one],
    "shared pool": lambda activation: [one := nn.MaxPool2d(2), activation(), one],
    "nested shared activation": lambda activation: [one := activation(), nn.Sequential(nn.Conv2d(4, 4, 3), one)],
    "softmax": lambda activation: [nn.Softmax(1), activation()],
    "softmax of channels": lambda activation: [nn.Softmax2d()],
    "response": lambda activation: [nn.LocalResponseNorm(2), activation()],
    "groups of channels": lambda activation: [nn.GroupNorm(2, 4), activation()],
    "own slopes": lambda activation: [nn.PReLU(4)],
    "slope": lambda activation: [nn.LeakyReLU(0.3)],
    "in place": lambda activation: [nn.ReLU(inplace=True)],
    "overlapping pool": lambda activation: [nn.MaxPool2d(3, stride=1, padding=1), activation()],
    "adaptive pool": lambda activation: [nn.AdaptiveAvgPool2d((2, 2)), activation()],
    "tanh's gelu": lambda activation: [nn.GELU(approximate="tanh")],
    "linear of rows": lambda activation: [nn.Linear(6, 3), activation()],
}


def own_network(monkeypatch, between):
    """An architecture of the registry that is a convolution, some modules and a linear layer."""

    def module(channels, classes, image_size, activation, dropout):
        end = [nn.Dropout(dropout), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes)]
        return nn.Sequential(nn.Conv2d(channels, 4, 3), *between(activation), *end)

    name = f"own_{next(NUMBERS)}"  # networks are kept by their names
    monkeypatch.setitem(REGISTRY, name, name)
    monkeypatch.setitem(sys.modules, name, SimpleNamespace(module=module))
    return get_architecture(name, 1, 10, 8)


@pytest.mark.parametrize("between", MODULES.values(), ids=MODULES)
def test_any_module_is_computed_as_pytorch_computes_it(monkeypatch, between):
    """Whatever a plain network is made of: what chains do not know is no step of one."""
    architecture = own_network(monkeypatch, between)
    of, data = made(architecture, [replace(one, dropout=0.0) for one in FACTORS]), images_for(architecture)
    expected = [plain_training(of, model, data, "plain", 1) for model in range(len(of))]
    engine = get_engine("auto", "cpu", 1)
    engine.train_epoch(of, data, 1)
    loss = engine.evaluate(of, data).loss
    for model, network in enumerate(expected):
        with torch.no_grad():
            assert loss[model].item() == pytest.approx(F.cross_entropy(network(data.images), data.labels).item())
    together = replace(of, factors=[FACTORS[0]] * len(of))  # of one activation, at once by vmap
    runs = activation_runs(together, torch.arange(len(of)))
    logits, _ = forward(architecture, runs, of.tensors, data.images[None], training=False)
    for model in range(len(of)):
        network = architecture.module(FACTORS[0].activation).double().eval()
        network.load_state_dict({name: tensor[model] for name, tensor in of.tensors.items()})
        torch.testing.assert_close(logits[model].mT, network(data.images).detach(), **ROUNDING)


@pytest.mark.parametrize("between", MODULES.values(), ids=MODULES)
def test_a_smaller_network_with_all_channels_is_the_same(monkeypatch, between):
    architecture = own_network(monkeypatch, between)
    if not architecture.chain:
        with pytest.raises(InputError, match="only networks whose layers follow one another"):
            narrowed(architecture, {})
        return
    network, same = (one.module("tanh").eval() for one in (architecture, narrowed(architecture, {})))
    same.load_state_dict(dict(zip(same.state_dict(), network.state_dict().values(), strict=True)))
    images = images_for(architecture).images.float()
    assert torch.equal(same(images), network(images))


@pytest.mark.parametrize("drawing", [nn.Dropout2d(0.5), nn.AlphaDropout(0.5), nn.RReLU()], ids=str)
def test_random_numbers_that_have_no_keys_are_refused(monkeypatch, drawing):
    with pytest.raises(InputError, match="draws random numbers in training; only"):
        own_network(monkeypatch, lambda activation: [drawing, activation()])


@pytest.mark.parametrize(
    ("spec", "images", "message"),
    [
        ("vgg", (1, 10, 28), "unknown architecture 'vgg'; choose .*cnn_s, cnn_l, small_cnn"),
        ({"id": "resnet20", "widht": 2}, (1, 10, 28), "resnet20: widht: .*its settings: width, option"),
        ({"id": "resnet20", "width": -1}, (1, 10, 28), "resnet20: width: input should be greater than 0"),
        ("cnn_s", (1, 10, 32), "cnn_s takes images of 28 pixels, not of 32"),
        ("lenet_5", (1, 10, 8), "lenet_5 does not take images|too small for its convolutions"),
        ({"layers": ["activation"]}, (1, 10, 28), "the last step must be {linear: classes}"),
        (
            {"layers": [{"conv": {"outputs": 3}}, {"linear": "classes"}]},
            (1, 10, 28),
            r"layers\[0\].conv.kernel: is",
        ),
        ({"layers": [{"linear": 3}, {"max_pool": 2}, {"linear": "classes"}]}, (1, 10, 28), "max_pool after a linear"),
        ({"layers": ["relo", {"linear": "classes"}]}, (1, 10, 28), r"layers\[0\]: 'relo' is no step"),
        (7, (1, 10, 28), "7 is neither an id nor a mapping"),
    ],
)
def test_what_is_no_network_is_refused_in_one_line(spec, images, message):
    with pytest.raises(InputError, match=message) as caught:
        get_architecture(spec, *images)
    assert "\n" not in str(caught.value)


def test_tensors_that_do_not_fit_are_named_with_both_shapes():
    architecture = get_architecture("cnn_s")
    shapes = {name: (3, *shape) for name, shape in architecture.tensor_shapes.items()}
    assert stored_architecture("a file", "cnn_s", None, shapes) is architecture
    assert stored_architecture("a file", "cnn_s", json.dumps(architecture.images), shapes) == architecture
    with pytest.raises(InputError, match=r"a file: .*not those of cnn_s: fc2.bias is \[3, 4\], not \[10\]"):
        stored_architecture("a file", "cnn_s", json.dumps(architecture.images), shapes | {"fc2.bias": (3, 4)})
    with pytest.raises(InputError, match=r"is \[3, 16, 1, 3, 3\], not|bn1.weight is missing"):
        stored_architecture("a file", "resnet20", None, {"conv1.weight": (3, 16, 1, 3, 3)})


def test_hidden_neurons_of_every_chain_can_change_places(architecture):
    """The permuted network computes the same; networks that are no chains are refused in one line."""
    if not architecture.chain:
        with pytest.raises(InputError, match=f"{architecture.design.id}.* differs in .*; leave its zoos out"):
            Tokens(architecture)
        return
    of, data, tokens = made(architecture), images_for(architecture, 4), Tokens(architecture)
    orders = tokens.draw_permutations(len(of), torch.Generator().manual_seed(0))
    moved = tokens.separate(tokens.permute(tokens.join(of.parameters)[:, None], orders)[:, 0])
    runs = activation_runs(of, torch.arange(len(of)))
    logits, changed = (forward(architecture, runs, own, data.images[None])[0] for own in (of.parameters, moved))
    assert not torch.equal(of.parameters[architecture.weight_names[0]], moved[architecture.weight_names[0]])
    torch.testing.assert_close(changed, logits, **ROUNDING)


def test_neurons_of_networks_without_an_order_of_layers_are_not_permuted(monkeypatch):
    architecture = get_architecture("lenet_300_100", 1, 3, 7)
    monkeypatch.setitem(architecture.__dict__, "chain", ())
    with pytest.raises(InputError, match="lenet_300_100 is no chain of layers, and it has no permutation"):
        Tokens(architecture).draw_permutations(2, torch.Generator())


def test_specs_that_mean_the_same_are_one_architecture():
    assert canonical("resnet20") == canonical({"id": "resnet20", "width": 1.0})
    assert get_architecture("resnet20") is get_architecture({"width": 1.0, "option": "A", "id": "resnet20"})
    assert get_design({"id": "resnet20", "width": 0.5}).label == "resnet20 (width 0.5)"


def test_activations_are_torchs():
    x = torch.linspace(-3, 3, 50)
    functions = {"silu": F.silu, "gelu": F.gelu, "selu": F.selu, "elu": F.elu, "leaky_relu": F.leaky_relu}
    for name, function in functions.items():
        assert torch.equal(activation_module(name)(x), function(x))
