"""Optimisers, penalties and learning-rate schedules against `torch.optim` in float64."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from test_architectures import images_for, made
from zootwins.architectures.architecture import get_architecture
from zootwins.population import Factors, batched_network
from zootwins.population.hard_concrete import HardConcrete
from zootwins.population.masks import pruning_masks
from zootwins.population.native_engine import why_not
from zootwins.population.optimizers import OPTIMIZERS
from zootwins.population.randomness import data_order
from zootwins.population.torch_engine import TorchEngine
from zootwins.zoos import sources
from zootwins.zoos.sources import Schedule
from zootwins.zoos.training import lr_factors, train_zoo

ROUNDING = {"rtol": 1e-9, "atol": 1e-11}  # float64 over some steps
FACTORS_IN_FLOAT32 = {"rtol": 1e-6, "atol": 1e-9}  # a step's rate is a product in either precision
RULE = {"lr": 3e-3, "weight_decay": 1e-2}
MADE = {
    "adam": lambda p, f: torch.optim.Adam(p, lr=f.lr, weight_decay=f.weight_decay),
    "adamw": lambda p, f: torch.optim.AdamW(p, lr=f.lr, weight_decay=f.weight_decay),
    "sgd": lambda p, f: torch.optim.SGD(p, lr=f.lr, weight_decay=f.weight_decay, momentum=f.momentum),
    "nesterov": lambda p, f: torch.optim.SGD(
        p, lr=f.lr, weight_decay=f.weight_decay, momentum=f.momentum, nesterov=True
    ),
    "rmsprop": lambda p, f: torch.optim.RMSprop(p, lr=f.lr, weight_decay=f.weight_decay, momentum=f.momentum),
}
ARCHITECTURE = get_architecture("small_cnn", 1, 3, 16)


@pytest.fixture(params=["together", "alone"])
def models_are(request, monkeypatch):
    """Small models are trained together, large ones alone: here a small one stands for a large one, too."""
    if request.param == "alone":
        monkeypatch.setattr(batched_network, "_SMALL", 0)


def factors(seed, optimizer, **more) -> Factors:
    momentum = 0.9 if optimizer in ("sgd", "nesterov", "rmsprop") else 0.0
    return Factors(seed, "tanh", "normal", optimizer, momentum=momentum, dropout=0.0, batch_size=8, **RULE | more)


def trained_by_torch(of, model, data, epochs, rates=None):
    """One model by `torch.optim`, with masks as products and the penalty in the loss."""
    own = of.factors[model]
    network = of.architecture.module(own.activation).double()
    network.load_state_dict({name: tensor[model].clone() for name, tensor in of.tensors.items()})
    optimizer = MADE[own.optimizer](network.parameters(), own)
    kernels = [network.get_parameter(name) for name in of.architecture.weight_names]
    for epoch in range(1, epochs + 1):
        order = data_order(of.keys[model : model + 1], epoch, len(data))[0]
        for step, chosen in enumerate(order.split(own.batch_size)):
            optimizer.zero_grad()
            penalty = own.l2 * sum(kernel.square().sum() for kernel in kernels)
            (F.cross_entropy(network(data.images[chosen]), data.labels[chosen]) + penalty).backward()
            if rates is not None:
                optimizer.param_groups[0]["lr"] = own.lr * rates[epoch - 1, step].item()
            optimizer.step()
    return {name: parameter.detach() for name, parameter in network.named_parameters()}


def test_the_catalogue_knows_the_engines_optimisers():
    assert sources.OPTIMIZERS == OPTIMIZERS


@pytest.mark.parametrize("l2", [0.0, 1e-3])
def test_every_optimiser_equals_torch_optim(l2, models_are):
    """All in one population, with coupled and decoupled decay, and a penalty on the layers' weights alone."""
    of = made(ARCHITECTURE, [factors(seed, optimizer, l2=l2) for seed, optimizer in enumerate(OPTIMIZERS)])
    data = images_for(ARCHITECTURE)
    expected = [trained_by_torch(of, model, data, 2) for model in range(len(of))]
    for epoch in (1, 2):
        TorchEngine().train_epoch(of, data, epoch)
    for model, parameters in enumerate(expected):
        for name, parameter in parameters.items():
            torch.testing.assert_close(of.parameters[name][model], parameter, **ROUNDING, msg=OPTIMIZERS[model])


def test_masked_weights_stay_zero_whatever_the_optimiser(models_are):
    of = made(ARCHITECTURE, [factors(seed, optimizer, l2=0.1) for seed, optimizer in enumerate(OPTIMIZERS)])
    of.set_masks(pruning_masks({name: of.parameters[name] for name in ARCHITECTURE.weight_names}, 0.5, "layer"))
    TorchEngine().train_epoch(of, images_for(ARCHITECTURE), 1)
    for name, mask in of.masks.items():
        assert (of.parameters[name][~mask] == 0).all()
        assert (of.parameters[name][mask] != 0).all()


@pytest.mark.parametrize("gate_lr", [None, 0.1])
def test_a_model_alone_is_trained_as_among_others(gate_lr, monkeypatch):
    """Masks, gates with and without a rate of their own, and rates of steps at which some models stand still."""
    data, trained = images_for(ARCHITECTURE), []
    rates = torch.rand(len(OPTIMIZERS), 3, generator=torch.Generator().manual_seed(0))
    rates[1, 1] = rates[2, 0] = 0
    for small in (1 << 15, 0):
        monkeypatch.setattr(batched_network, "_SMALL", small)
        of = made(ARCHITECTURE, [factors(seed, optimizer, l2=1e-3) for seed, optimizer in enumerate(OPTIMIZERS)])
        of.weights = HardConcrete(gate_lr=gate_lr)
        of.parameters = of.weights.start(of.parameters)
        of.set_masks(pruning_masks({name: of.parameters[name] for name in ARCHITECTURE.weight_names}, 0.5, "layer"))
        penalty = torch.full((len(of),), 1e-4, dtype=torch.float64)
        for epoch in (1, 2):
            TorchEngine().train_epoch(of, data, epoch, penalty=penalty, lr_factors=rates)
        trained.append(of.parameters | of.optimizer_state)
    for name, together in trained[0].items():
        torch.testing.assert_close(trained[1][name], together, **FACTORS_IN_FLOAT32, msg=name)


def test_native_kernels_leave_what_they_lack_to_torch():
    cnn_s = get_architecture("cnn_s")
    assert not why_not(made(cnn_s, [factors(0, "adam")]))
    assert "silu" in why_not(made(cnn_s, [replace(factors(0, "adam"), activation="silu")]))


def test_cosine_is_torchs_after_a_linear_warm_up():
    rates = lr_factors(Schedule(name="cosine", warmup_epochs=2, cycle=10), 6, 3)
    assert rates[:, 0].tolist() == rates[:, 2].tolist()
    assert rates[:2, 0].tolist() == pytest.approx([0.5, 1.0])
    angles = torch.arange(4) / 8 * torch.pi
    torch.testing.assert_close(rates[2:, 0], (1 + angles.cos()) / 2)


def test_one_cycle_is_torchs_step_by_step():
    rates = lr_factors(Schedule(name="onecycle"), 3, 4).flatten()
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=12, cycle_momentum=False)
    expected = []
    for step in range(12):
        expected.append(scheduler.get_last_lr()[0])
        optimizer.step()
        if step < 11:
            scheduler.step()
    assert rates.tolist() == pytest.approx(expected)
    assert rates.argmax() == 3  # 30 % of the steps
    assert lr_factors(Schedule(), 2, 3).eq(1).all()


def test_a_zoo_is_trained_by_its_schedule():
    from zootwins.population import ImageData

    data, schedule = images_for(ARCHITECTURE), Schedule(name="cosine", warmup_epochs=1)
    data = replace(data, images=data.images.float())
    own = [factors(7, "sgd")]
    trained = train_zoo(TorchEngine(), ["a"], own, ARCHITECTURE, ImageData(data, data, data), 3, "zoo", schedule)
    constant = train_zoo(TorchEngine(), ["a"], own, ARCHITECTURE, ImageData(data, data, data), 3, "zoo")
    name = "conv1.weight"
    assert torch.equal(trained.tensors[name][:, 1], constant.tensors[name][:, 1])  # a warm-up of one epoch ends at 1
    assert torch.equal(trained.tensors[name][:, 2], constant.tensors[name][:, 2])  # the cosine begins at 1
    assert not torch.equal(trained.tensors[name][:, 3], constant.tensors[name][:, 3])


@pytest.mark.parametrize(
    ("schedule", "message"),
    [({"name": "cosine", "warmup_epochs": 3}, "warm-up of 3"), ({"name": "cosine", "cycle": 2}, "cycle of 2 epochs")],
)
def test_schedules_that_do_not_fit_are_refused(schedule, message):
    own = {"activation": ["relu"], "init": ["normal"], "optimizer": ["sgd"], "lr": [0.1], "weight_decay": [0]}
    with pytest.raises(ValueError, match=message):
        sources.TrainSource(seeds=1, epochs=3, schedule=schedule, **own)
