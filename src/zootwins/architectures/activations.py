"""Activation functions by the names that models.csv and the catalogue use."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

# Named, not imported: Snakemake reads the names whenever it starts, and torch is not worth importing there.
ACTIVATIONS = {
    "tanh": "Tanh",
    "relu": "ReLU",
    "sigmoid": "Sigmoid",
    "gelu": "GELU",
    "leaky_relu": "LeakyReLU",
    "silu": "SiLU",
    "selu": "SELU",
    "elu": "ELU",
}


def activation_module(name: str) -> nn.Module:
    """Return a new module of `torch.nn`, with its default settings; KeyError if there is no activation of that name."""
    from torch import nn

    return getattr(nn, ACTIVATIONS[name])()
