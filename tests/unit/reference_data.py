"""Inputs and outputs of public reference code on one small network; tests/data/reference/README.md says whose."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zootwins.architectures.architecture import Architecture, get_architecture

FOLDER = Path(__file__).parents[1] / "data/reference"
LAYERS = ("conv1", "conv2", "conv3", "fc1", "fc2")


@cache
def reference(name: str) -> dict[str, Tensor]:
    """The tensors of a file, by their keys."""
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


def of_layers(file: str, prefix: str, suffix: str = "") -> dict[str, Tensor]:
    """A tensor of every layer that has one, `[1, …]`, by the weight's name."""
    data = reference(file)
    keys = {f"{layer}.weight": f"{prefix}{layer}{suffix}" for layer in LAYERS}
    return {name: data[key][None] for name, key in keys.items() if key in data}


def weights() -> dict[str, Tensor]:
    """The network's weights, float64 `[1, …]`, by name."""
    return of_layers("network", "", ".weight")


def parameters() -> dict[str, Tensor]:
    """Its weights and biases, a copy, since engines train in place."""
    data = reference("network")
    return {name: data[name][None].clone() for name in architecture().parameter_shapes}


def gradients() -> dict[str, Tensor]:
    """Those of the mean cross-entropy of the 60 images."""
    return of_layers("network", "", ".weight_gradient")


def architecture() -> Architecture:
    return get_architecture("cnn_s", 1)


def kept(masks: dict[str, Tensor]) -> int:
    """How many weights stay."""
    return sum(int(mask.sum()) for mask in masks.values())


def pruned(masks: dict[str, Tensor]) -> int:
    return sum(mask.numel() for mask in masks.values()) - kept(masks)


def assert_same(masks: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Equal to the bit, layer by layer."""
    assert expected
    for name, mask in expected.items():
        assert torch.equal(masks[name], mask), (name, int((masks[name] != mask).sum()))
