"""A model's weights before training, from its generating factors."""

import torch
from torch import Tensor, nn

from zootwins.architectures.architecture import Architecture
from zootwins.population import Factors
from zootwins.run.errors import InputError

INITIAL_BIAS = 0.01
INITIALISERS = {
    "uniform": nn.init.uniform_,  # U(0, 1), unscaled
    "normal": nn.init.normal_,  # N(0, 1), unscaled
    "kaiming_uniform": nn.init.kaiming_uniform_,
    "kaiming_normal": nn.init.kaiming_normal_,
    "xavier_uniform": nn.init.xavier_uniform_,
    "xavier_normal": nn.init.xavier_normal_,
    "orthogonal": nn.init.orthogonal_,
}


def initial_parameters(architecture: Architecture, factors: Factors) -> dict[str, Tensor]:
    """Return one model's parameters and buffers before training, as the authors' code makes them.

    The modules are built after seeding, which draws their default weights first; the initialiser then goes over
    the layers in order. Parameters of normalisation keep their defaults.
    Equal to checkpoint 0 of published models, bit for bit; the global generator is left alone.

    Raises:
        InputError: if the seed is not recorded, or the initialiser is none that is known.
    """
    if factors.init not in INITIALISERS or factors.seed is None:
        wrong = "seed is not recorded" if factors.seed is None else f"initialiser is {factors.init!r}"
        raise InputError(
            f"a model's {wrong}, so that its weights before training cannot be made again (initialisers: "
            f"{', '.join(INITIALISERS)}); give it in the zoo's catalogue entry, factors: {{seed: …, init: …}}, or "
            "leave out the methods that start from initial weights"
        )
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(factors.seed)
        network = architecture.module(factors.activation, factors.dropout)
        for layer in (network.get_submodule(layer.name) for layer in architecture.layers):
            INITIALISERS[factors.init](layer.weight)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, INITIAL_BIAS)
    return {name: tensor.detach() for name, tensor in network.state_dict().items()}
