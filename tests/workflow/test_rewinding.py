"""A zoo is trained here and its twins are rewound to an epoch of that training, in one run."""

import io
from zipfile import ZipFile

import pytest
import torch
import yaml
from safetensors.torch import load_file

pytestmark = pytest.mark.workflow

EPOCH, MODELS, WEIGHTS = 2, 2, 2416
TRAIN = {"seeds": MODELS, "activation": ["tanh"], "init": ["kaiming_uniform"], "optimizer": ["adam"], "lr": [1.0e-3]}
ENTRY = {
    "source": {"train": TRAIN | {"weight_decay": [0.0], "epochs": 3}},
    "dataset": "fashion_mnist_mini",
    "architecture": "cnn_s",
    "models": MODELS,
}
STANDS_STILL = 1e-20  # a learning rate below the rounding of any weight: twins stay where their last round began
ROUNDS = {"sparsities": [80], "epochs": 2, "rounds": 2, "rewind_epoch": EPOCH, "lr": STANDS_STILL, "min_left": 0}


def test_twins_begin_their_last_round_from_the_checkpoints_of_the_epoch(project):
    (project.root / "zoos.yaml").write_text(yaml.safe_dump({"zoos": {"tiny": ENTRY}}), encoding="utf-8")
    project.configure(catalogue="zoos.yaml", zoos=["tiny"], methods=["imp"], iterative_pruning=ROUNDS)
    shard = "results/twins/tiny/imp/0000-0001.safetensors"
    project.run(shard)
    twins = load_file(project.root / shard)
    with ZipFile(project.root / "results/exports/tiny/trained.zip") as archive:
        files = sorted(name for name in archive.namelist() if name.endswith(f"checkpoint_{EPOCH:06}/checkpoints"))
        stored = [torch.load(io.BytesIO(archive.read(file)), weights_only=True) for file in files]
    masks = {name.removeprefix("mask."): mask[:, 1] for name, mask in twins.items() if name.startswith("mask.")}
    assert sum(mask.sum() for mask in masks.values()) == MODELS * round(0.2 * WEIGHTS)
    modules = dict(zip(masks, [name for name in stored[0] if name.endswith("weight")], strict=True))
    for name, mask in masks.items():
        checkpoints = torch.stack([state[modules[name]] for state in stored])
        assert torch.equal(twins[name][:, 1, -1], checkpoints * mask)
