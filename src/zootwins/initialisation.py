"""From generating factors to models: which a zoo has, what they are called, and their weights before training."""

from dataclasses import replace
from itertools import product

import torch
from torch import Tensor, nn

from zootwins.architectures import Architecture, Network
from zootwins.population import Factors
from zootwins.randomness import stream_key
from zootwins.settings import TrainSource

INITIAL_BIAS = 0.01
INITIALISERS = {
    "uniform": nn.init.uniform_,  # U(0, 1), unscaled
    "normal": nn.init.normal_,  # N(0, 1), unscaled
    "kaiming_uniform": nn.init.kaiming_uniform_,
    "kaiming_normal": nn.init.kaiming_normal_,
}
_VARIED = ("activation", "init", "optimizer", "lr", "weight_decay", "dropout")


def generating_factors(settings: TrainSource) -> list[Factors]:
    """The factors of every model of a zoo: each combination of the lists, with each of its seeds.

    With `seed_mode` shared all combinations have the seeds 1, 2, …; with drawn every model has one of its own,
    which depends on its position alone.
    """
    factors = []
    for values in product(*(getattr(settings, name) for name in _VARIED)):
        shared = dict(zip(_VARIED, values, strict=True))
        for seed in range(1, settings.seeds + 1):
            momentum = settings.momentum if shared["optimizer"] == "sgd" else 0.0
            factors.append(Factors(seed=seed, momentum=momentum, batch_size=settings.batch_size, **shared))
    if settings.seed_mode == "drawn":
        factors = [replace(f, seed=stream_key("seed", index) % 2**31) for index, f in enumerate(factors)]
    return factors


def model_names(settings: TrainSource) -> list[str]:
    """The models' folder names, in the authors' manner: their number and what varies between them."""
    varied = [name for name in _VARIED if len(getattr(settings, name)) > 1]
    names = []
    for index, factors in enumerate(generating_factors(settings)):
        described = ",".join(f"{name}={getattr(factors, name)}" for name in (*varied, "seed"))
        names.append(f"NN_tune_trainable_{index:05d}_{described}")
    return names


def initial_parameters(architecture: Architecture, factors: Factors) -> dict[str, Tensor]:
    """One model's weights before training, `{layer}.weight` and `{layer}.bias`, as the authors' code makes them.

    The modules are built after seeding, which draws their default weights first; the initialiser then goes over
    the layers in order. Equal to checkpoint 0 of published models, bit for bit; the global generator is left alone.
    """
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(factors.seed)
        network = Network(architecture, factors.activation, factors.dropout)
        layers = [module for module in network.module_list if isinstance(module, (nn.Conv2d, nn.Linear))]
        for layer in layers:
            INITIALISERS[factors.init](layer.weight)
            nn.init.constant_(layer.bias, INITIAL_BIAS)
    parameters = [parameter.detach() for layer in layers for parameter in (layer.weight, layer.bias)]
    return dict(zip(architecture.parameter_shapes, parameters, strict=True))
