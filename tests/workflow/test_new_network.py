"""A new network is a module and a line of the registry: twins, tables, figures, explorer and export follow."""

import json
import re
import zipfile

import pandas as pd
import pytest
import torch
import yaml

from zootwins.storage.shards import read_shard

pytestmark = pytest.mark.workflow

MODULE = '''"""A residual network with batch normalisation and other layers than the others have."""


def module(channels, classes, image_size, activation, dropout):
    from torch import nn

    class Toy(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(channels, 6, 3, 2, bias=False), nn.BatchNorm2d(6), activation())
            self.block = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6), activation())
            self.drop = nn.Dropout(dropout)
            self.head = nn.Linear(6, classes)

        def forward(self, images):
            hidden = self.stem(images)
            hidden = hidden + self.block(hidden)
            return self.head(self.drop(hidden.mean((2, 3))))

    return Toy()
'''
LINE = '    "toy_net": "zootwins.architectures.toy_net",\n'
ZOO = "toy_zoo"
LAYERS = ["stem.0", "block.0", "head"]
ENTRY = {
    "title": "Toys",
    "dataset": "digits",
    "architecture": "toy_net",
    "models": 3,
    "source": {
        "train": {
            "seeds": 3,
            "activation": ["relu"],
            "init": ["kaiming_uniform"],
            "optimizer": ["sgd"],
            "lr": [0.05],
            "weight_decay": [0.0],
            "dropout": [0.1],
            "epochs": 2,
            "batch_size": 32,
        }
    },
}


@pytest.fixture(scope="module")
def toy(copied):
    """A finished run of a copy of the project that has one more network; nothing but these two places differs."""
    source = copied.root / "src/zootwins/architectures"
    (source / "toy_net.py").write_text(MODULE, encoding="utf-8")
    registry = (source / "registry.py").read_text(encoding="utf-8")
    (source / "registry.py").write_text(registry.replace("REGISTRY = {\n", "REGISTRY = {\n" + LINE), encoding="utf-8")
    (copied.root / "toys.yaml").write_text(yaml.safe_dump({"zoos": {ZOO: ENTRY}}), encoding="utf-8")
    l0 = {"sparsifier": "l0_regularization", "epochs": 2}
    copied.configure(zoos=[ZOO], catalogue="toys.yaml", twins={"l0": l0})
    copied.run("all", f"results/exports/{ZOO}/mp.zip", f"results/models/{ZOO}/vd/0001.safetensors")
    copied.run("verify")
    return copied


def test_shards_have_its_tensors(toy):
    shard = read_shard(toy.root / f"results/twins/{ZOO}/mp/0000-0001.safetensors")
    assert shard.tensor("stem.0.weight").shape[-4:] == (6, 1, 3, 3)
    statistics = shard.tensor("stem.1.running_mean")  # of two models, whose images came in other orders
    assert statistics.shape[-1] == 6
    assert not torch.equal(statistics[0], statistics[1])
    assert {name for name in shard.shapes if name.startswith("mask.")} == {f"mask.{layer}.weight" for layer in LAYERS}
    assert json.loads(shard.metadata["network"]) == {"channels": 1, "classes": 10, "image_size": 28}


def test_tables_and_figures_have_its_layers(toy):
    layers = pd.read_parquet(toy.root / f"results/metrics/{ZOO}/vd/layers.parquet")
    assert layers["layer"].unique().tolist() == LAYERS
    text = " ".join(re.findall(r"<!-- (.*?) -->", (toy.root / "results/figures/figure3.svg").read_text("utf-8")))
    assert text.index("stem.0") < text.index("block.0") < text.index("head")
    table8 = pd.read_csv(toy.root / "results/tables/table8.csv")
    assert set(LAYERS) <= {*table8.columns, *table8.get("quantity", [])}
    assert ZOO in (toy.root / "results/explorer.html").read_text("utf-8")


def test_it_is_exported_as_a_plain_state_dict(toy):
    with zipfile.ZipFile(toy.root / f"results/exports/{ZOO}/mp.zip") as archive:
        name = next(name for name in archive.namelist() if name.endswith("checkpoints"))
        with archive.open(name) as file:
            state = torch.load(file, weights_only=True)
    assert state["block.1.num_batches_tracked"].dtype == torch.int64
    assert state.keys() >= {"stem.0.weight", "stem.1.weight", "stem.1.running_var", "head.bias"}


def test_everything_is_verified(toy):
    checked = pd.read_csv(toy.root / "results/verification.csv").query("status != 'not made'")
    assert (checked.status == "ok").all()
