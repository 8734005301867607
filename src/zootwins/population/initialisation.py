"""A model's weights before training, from its generating factors."""

import torch
from torch import Tensor, nn

from zootwins.population import Factors
from zootwins.population.architectures import Architecture, Network

INITIAL_BIAS = 0.01
INITIALISERS = {
    "uniform": nn.init.uniform_,  # U(0, 1), unscaled
    "normal": nn.init.normal_,  # N(0, 1), unscaled
    "kaiming_uniform": nn.init.kaiming_uniform_,
    "kaiming_normal": nn.init.kaiming_normal_,
}


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
