"""Zoos of one's own: written from state dicts and a table, they are imported as the same models."""

import json

import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from zootwins.architectures.architecture import get_architecture
from zootwins.images.datasets import load_dataset, save_dataset
from zootwins.population.torch_engine import TorchEngine
from zootwins.run.errors import InputError
from zootwins.zoos import write_zoo
from zootwins.zoos.archives import open_members
from zootwins.zoos.dialects import open_zoo
from zootwins.zoos.importing import import_zoo

CNN_S = get_architecture("cnn_s", 1, 4)
NAMES = ["mine_0", "NA"]


def splits():
    generator = torch.Generator().manual_seed(0)
    return {
        split: (torch.randn(30, 1, 28, 28, generator=generator), torch.randint(4, (30,), generator=generator))
        for split in ("train", "validation", "test")
    }


def networks(activation: str = "tanh"):
    torch.manual_seed(1)
    return {name: CNN_S.module(activation).eval() for name in NAMES}


def table(**changes) -> pd.DataFrame:
    images, labels = splits()["test"]
    records = []
    for name, network in networks().items():
        with torch.no_grad():
            logits = network(images)
        records.append(
            {
                "model": name, "activation": "tanh", "optimizer": "sgd", "lr": 0.1, "weight_decay": 1e-4,
                "momentum": 0.8, "dropout": 0.0, "batch_size": 32, "seed": 7, "epoch": 12,
                "test_accuracy": (logits.argmax(1) == labels).double().mean().item(),
                "test_loss": F.cross_entropy(logits, labels).item(),
            }
        )  # fmt: skip
    return pd.DataFrame(records).assign(**changes)


def states():
    return {name: network.state_dict() for name, network in networks().items()}


def test_what_is_written_is_imported_as_it_was(tmp_path):
    path = tmp_path / "mine.zip"
    write_zoo(path, states(), table(), splits(), classes=4)
    with open_members(path) as members:
        data = open_zoo(members).dataset()
    assert data.classes == 4
    save_dataset(tmp_path / "dataset.safetensors", data, {})
    zoo = import_zoo(path, "cnn_s", None, 2, TorchEngine(), load_dataset(tmp_path / "dataset.safetensors").test)
    assert list(zoo.models.status) == ["ok", "ok"]
    assert sorted(zoo.models.model) == sorted(NAMES)
    assert set(zoo.models.epoch) == {12}
    assert set(zoo.models.momentum) == {0.8}
    for row, name in enumerate(zoo.models.model):
        for key, tensor in states()[name].items():
            assert torch.equal(zoo.parameters[key][row], tensor)


def test_checkpoints_of_several_epochs(tmp_path):
    both = {name: {0: state, 12: state} for name, state in states().items()}
    write_zoo(tmp_path / "mine.zip", both, table().set_index("model"))
    with open_members(tmp_path / "mine.zip") as members:
        first = list(open_zoo(members).models(CNN_S, 0, recorded=False))
    assert [model.reason for model in first] == ["", ""]


def test_equal_zoos_make_equal_files_and_none_is_left_if_writing_fails(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_zoo(tmp_path / name / "zoo.zip", states(), table(), splits())
    assert (tmp_path / "a/zoo.zip").read_bytes() == (tmp_path / "b/zoo.zip").read_bytes()
    with pytest.raises(InputError):
        write_zoo(tmp_path / "c.zip", states(), table().drop(columns="lr"))
    assert not (tmp_path / "c.zip").exists()


@pytest.mark.parametrize("factor", ["activation", "optimizer", "lr", "weight_decay", "dropout", "batch_size"])
def test_every_factor_is_asked_for(tmp_path, factor):
    with pytest.raises(InputError, match=f"factors: {{{factor}: …}}|has no"):
        write_zoo(tmp_path / "zoo.zip", states(), table().drop(columns=factor))


@pytest.mark.parametrize(
    ("models", "rows", "message"),
    [
        (states(), table().iloc[:1], "'NA' is in the table or among the models alone"),
        (states(), table(epoch=None), "mine_0 has no epoch in the table"),
        ({name: {0: state} for name, state in states().items()}, table(), "mine_0 has no state dict of epoch 12"),
        (states(), table(activation="swish"), "mine_0: model::nlin is 'swish'"),
        (states(), table(optimizer="sgd").drop(columns="momentum", errors="ignore"), "mine_0 has no momentum"),
    ],
)
def test_what_cannot_be_written_is_one_line(tmp_path, models, rows, message):
    with pytest.raises(InputError, match=message) as caught:
        write_zoo(tmp_path / "zoo.zip", models, rows)
    assert "\n" not in str(caught.value)


def test_the_smallest_layout_that_the_page_shows_is_read(tmp_path):
    """docs/own_zoo.md, "Zoos of your own code": a folder with these three files for each model."""
    params = {"model::nlin": "tanh", "optim::optimizer": "adam", "optim::lr": 1e-3, "optim::wd": 0.0,
              "model::dropout": 0.0, "training::batchsize": 32}  # fmt: skip
    model = tmp_path / "zoo/model_0"
    (model / "checkpoint_000012").mkdir(parents=True)
    (model / "params.json").write_text(json.dumps(params), encoding="utf-8")
    (model / "result.json").write_text(json.dumps({"training_iteration": 12}) + "\n", encoding="utf-8")
    torch.save(states()["NA"], model / "checkpoint_000012/checkpoints")
    with open_members(tmp_path / "zoo") as members:
        (read,) = open_zoo(members).models(CNN_S, None)
    assert read.reason == ""
