"""Twins are what they were before methods were composed of parts: masks, weights and random streams, bit for bit.

`tests/data/composed_twins.npz` was made by commit 3eba012, whose methods inherited from one another. Training is
replaced by arithmetic that rounds the same on every machine, so that bits can be compared.
"""

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

from zootwins.architectures.architecture import get_architecture
from zootwins.population import Evaluation, Factors, ImageData, ImageSet, Scores
from zootwins.population.randomness import layer_words
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.sparsifiers.sparsify import sparsify
from zootwins.storage.shards import read_shard, write_trajectory
from zootwins.zoos.originals import Originals

FILE = Path(__file__).parents[1] / "data" / "composed_twins.npz"
ARCHITECTURE = get_architecture("cnn_s", 1)
SHORT = {"sparsities": (90, 50), "epochs": 4, "begin": 1, "ends": (2, 3), "lr": 0.01}
THREE = {"distributions": ("global", "uniform", "extended")}
RETRAINED = {"sparsities": (50, 90), "epochs": 4, "pruning_epochs": 1}
CASES = {
    "mp_global": ("mp", {"sparsities": (50, 80, 90), "epochs": 2}),
    "mp_layer": ("mp", {"sparsities": (50, 80), "epochs": 2, "scope": "layer"}),
    "gmp": ("gmp", SHORT | THREE),
    "gmp_regrow": ("gmp", SHORT | THREE | {"regrow": True, "start": "init"}),
    "gmp_once": ("gmp", SHORT | {"begin": 0, "ends": (0,)}),
    "rp": ("rp", SHORT),
    "scratch": ("scratch", RETRAINED | {"masks": "gmp", "init_scales": ("none", "sparse")}),
    "lottery": ("lottery", RETRAINED | {"masks": "mp"}),
    "shuffled": ("shuffled", RETRAINED | {"masks": "gmp"}),
}


class ExactEngine:
    """Halves every weight and adds a random number: in floating point the same to the bit everywhere."""

    name = "exact"

    def train_epoch(self, population, data, epoch, *, penalty=None, lr_factors=None, batches=None):
        population.start_optimizer()
        for name, words in layer_words(ARCHITECTURE, population.keys * 31 + epoch).items():
            mask = population.masks.get(name, torch.ones((), dtype=torch.bool))
            moved = population.parameters[name] * 0.5 + numbers(words)
            population.parameters[name] = moved.where(mask, population.parameters[name])
        nothing = torch.zeros(len(population), dtype=torch.float64)
        return Scores(nothing, nothing)

    def evaluate(self, population, data, outputs=()):
        nothing = torch.zeros(len(population), dtype=torch.float64)
        return Evaluation(nothing, nothing, torch.zeros(len(population), len(data), dtype=torch.uint8))


def numbers(words: torch.Tensor) -> torch.Tensor:
    """Random words as float32 in [-1, 1), exactly."""
    return ((words >> 9) - 2**22).float() * 2.0**-22


def parameters_of(seed: int) -> dict[str, torch.Tensor]:
    weights = layer_words(ARCHITECTURE, torch.tensor([seed, seed + 1]))
    biases = {f"{layer.name}.bias": torch.full((2, layer.outputs), 0.25) for layer in ARCHITECTURE.layers}
    return {name: numbers(word) for name, word in weights.items()} | biases


def made(case: str, folder: Path):
    """A method's trajectory, from a zoo of two models, and what it needs: twins of another method, made first."""
    method, given = CASES[case]
    sparsifier = get_sparsifier(method)
    settings = sparsifier.Settings(**given)
    factors = [Factors(seed, "tanh", "uniform", "adam", 0.001, 0.0, 0.0, 0.0, 8) for seed in (1, 2)]
    originals = Originals(ARCHITECTURE, ["a", "b"], [0, 1], factors, parameters_of(10))
    twins = {}
    for needed in sparsifier.needs(settings):
        path = folder / f"{needed}.safetensors"
        of = get_sparsifier(needed)
        its_case = {"mp": "mp_global", "gmp": "gmp"}[needed]
        axes = of.axes(of.Settings(**CASES[its_case][1]))
        if not path.exists():
            write_trajectory(path, needed, made(its_case, folder), ["a", "b"], [0, 1], axes=axes)
        twins[needed] = read_shard(path)
    images = ImageSet(torch.zeros(16, 1, 28, 28), torch.zeros(16, dtype=torch.int64))
    inputs = SparsifierInputs("zoo", originals, twins, {0: parameters_of(20)})
    return sparsify(ExactEngine(), sparsifier, settings, inputs, ImageData(images, images, images))


def summary(case: str, folder: Path) -> dict[str, np.ndarray]:
    """Masks, packed, and digests of the weights of all epochs: rounding of the scale of scratch apart, exact."""
    tensors = made(case, folder).tensors
    found = {}
    for name, tensor in tensors.items():
        if name.startswith("mask."):
            found[f"{case}/{name}"] = np.packbits(tensor.numpy())
        elif name in ARCHITECTURE.parameter_shapes:
            found[f"{case}/{name}"] = np.frombuffer(sha256(tensor.contiguous().numpy().tobytes()).digest(), np.uint8)
    return found


@pytest.mark.parametrize("case", CASES)
def test_twins_are_those_of_the_methods_that_inherited(case, tmp_path):
    found = summary(case, tmp_path)
    with np.load(FILE) as stored:
        names = [name for name in stored.files if name.startswith(f"{case}/")]
        assert sorted(names) == sorted(found)
        for name in names:
            assert np.array_equal(stored[name], found[name]), name
