"""The examples of docs/own_sparsifier.md run, and come to the twins of the methods that the package has."""

import re
import sys
from types import ModuleType

import pytest
import torch

from projects import REPOSITORY
from test_torch_engine import factors, images, population
from zootwins.population import ImageData
from zootwins.population.torch_engine import TorchEngine
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.sparsifiers.sparsify import sparsify
from zootwins.zoos.originals import Originals

MODULES = ("own_scores", "own_snip", "own_rigl")  # in the order in which the page shows them


@pytest.fixture
def documented(monkeypatch) -> dict[str, ModuleType]:
    text = (REPOSITORY / "docs/own_sparsifier.md").read_text(encoding="utf-8")
    shown = dict(zip(MODULES, re.findall(r"```python\n(\"\"\".*?)```", text, re.DOTALL), strict=True))
    modules = {}
    for name, source in shown.items():
        modules[name] = ModuleType(f"zootwins.sparsifiers.{name}")
        monkeypatch.setitem(sys.modules, modules[name].__name__, modules[name])
        exec(source, vars(modules[name]))
    return modules


def inputs_of(*seeds: int) -> SparsifierInputs:
    of = population([factors(seed) for seed in seeds], dtype=torch.float32)
    initial = {name: torch.randn_like(tensor) / 3 for name, tensor in of.parameters.items()}
    names = [f"model {seed}" for seed in seeds]
    return SparsifierInputs(
        "zoo", Originals(of.architecture, names, seeds, of.factors, of.parameters), {}, {0: initial}
    )


@pytest.mark.parametrize(
    ("module", "kind", "method", "settings"),
    [("own_snip", "OwnSnip", "snip", {"images": 20}), ("own_rigl", "OwnRigL", "rigl", {"every": 3})],
)
def test_an_example_makes_the_twins_of_the_package(documented, monkeypatch, module, kind, method, settings):
    """With the random numbers of the package's method; within epochs too, of five batches each."""
    own, theirs = getattr(documented[module], kind)(), get_sparsifier(method)
    monkeypatch.setattr(type(own), "stream", method)
    given, one = inputs_of(0, 1), images(population([factors(0)], dtype=torch.float32), 40)
    chosen = {"sparsities": (80, 90), "epochs": 2, "lr": 1e-2} | settings
    ours, expected = (
        sparsify(TorchEngine(), each, each.Settings(**chosen), given, ImageData(one, one, one)).tensors
        for each in (own, theirs)
    )
    assert ours.keys() == expected.keys()
    assert all(torch.equal(ours[name].nan_to_num(), expected[name].nan_to_num()) for name in expected)
    masks = torch.cat([tensor[:, 1].flatten(1) for name, tensor in ours.items() if name.startswith("mask.")], dim=1)
    assert (~masks).sum(1).tolist() == [round(0.8 * 2416)] * 2
    before = torch.cat([ours[name][:, 1, 0].flatten(1) for name in given.originals.architecture.weight_names], dim=1)
    assert torch.equal(before != 0, masks) == (method == "snip")
