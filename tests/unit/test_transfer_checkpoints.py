"""Checkpoints in the layout of the reference's authors: a small ResNet, wrapped and plain."""

import pytest
import torch
from torch import nn

from raw_zoos import code_pickles
from zootwins.experiments.transfer.checkpoints import checkpoint_sparsity, read_checkpoint
from zootwins.run.errors import InputError


class Block(nn.Module):
    """A residual block with the names of torchvision's ResNet."""

    def __init__(self, width: int):
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, bias=False)
        self.layer1 = nn.Sequential(Block(4), Block(4))
        self.fc = nn.Linear(4, 10)


PRUNED = {"conv1": 0.5, "layer1.0.conv1": 0.75, "layer1.1.conv1": 0.9, "fc": 0.25}


@pytest.fixture
def network() -> tuple[dict, dict]:
    """A state dict, and masks of its convolutions and its head."""
    torch.manual_seed(0)
    state = ResNet().state_dict()
    masks = {}
    for name, share in PRUNED.items():
        weight = state[f"{name}.weight"]
        mask = torch.ones(weight.numel())
        mask[torch.randperm(weight.numel())[: round(share * weight.numel())]] = 0
        masks[name] = mask.view_as(weight)
    return state, masks


def authors_file(path, state: dict, masks: dict, *, wrapped: bool, prefix: str = "") -> None:
    """As their utils/checkpoints.py writes it; of a wrapped layer the weights under the mask may be anything."""
    renamed = {}
    for name, value in state.items():
        layer, _, kind = name.rpartition(".")
        if wrapped and layer in masks:
            renamed[f"{prefix}{layer}._layer.{kind}"] = value
            mask = masks[layer] if kind == "weight" else torch.ones_like(value)
            renamed[f"{prefix}{layer}._{kind}_mask"] = mask
        else:
            renamed[f"{prefix}{name}"] = value * masks[layer] if layer in masks and kind == "weight" else value
    config = {"arch": "resnet50", "dataset": "imagenet"}
    torch.save({"epoch": 99, "model_config": config, "model_state_dict": renamed}, path)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrapped", [True, False])
def test_wrapped_and_plain_files_are_the_same_network(wrapped, prefix, network, tmp_path):
    state, masks = network
    authors_file(tmp_path / "a.pth", state, masks, wrapped=wrapped, prefix=prefix)
    read = read_checkpoint(tmp_path / "a.pth")
    assert (read.architecture, read.wrapped) == ("resnet50", wrapped)
    assert set(read.tensors) == {name for name in state if not name.endswith("num_batches_tracked")}
    for name, mask in masks.items():
        assert torch.equal(read.masks[f"{name}.weight"], mask.bool())
        assert torch.equal(read.tensors[f"{name}.weight"], state[f"{name}.weight"] * mask)
    assert torch.equal(read.tensors["layer1.0.bn1.running_var"], state["layer1.0.bn1.running_var"])


def test_sparsity_is_that_of_each_weight_and_of_all(network, tmp_path):
    authors_file(tmp_path / "a.pth", *network, wrapped=True)
    table = checkpoint_sparsity(read_checkpoint(tmp_path / "a.pth")).set_index("name")
    sizes = {"conv1": 108, "layer1.0.conv1": 144, "layer1.1.conv1": 144, "fc": 40}
    for name, share in PRUNED.items():
        row = table.loc[f"{name}.weight"]
        assert (row["weights"], row["pruned"]) == (sizes[name], round(share * sizes[name]))
    assert table.loc["all", "pruned"] == sum(round(PRUNED[name] * size) for name, size in sizes.items())
    assert table.loc["all", "sparsity"] == pytest.approx(table.loc["all", "pruned"] / sum(sizes.values()))


def test_zeros_stay_pruned_where_a_file_was_wrapped_after_loading(network, tmp_path):
    """Their loader gives a plain checkpoint masks of ones, and full transfer would train its zeros away."""
    state, masks = network
    state = {name: value * masks.get(name.removesuffix(".weight"), 1) for name, value in state.items()}
    ones = {name: torch.ones_like(mask) for name, mask in masks.items()}
    authors_file(tmp_path / "a.pth", state, ones, wrapped=True)
    read = read_checkpoint(tmp_path / "a.pth")
    for name, mask in masks.items():
        assert torch.equal(read.masks[f"{name}.weight"], mask.bool())


def test_a_bare_state_dict_is_read_too(network, tmp_path):
    torch.save(network[0], tmp_path / "a.pth")
    assert read_checkpoint(tmp_path / "a.pth").architecture == ""


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"model_state_dict": 3},
        {"model_state_dict": {"fc._layer.weight": torch.ones(2, 2), "fc._weight_mask": torch.ones(2, 3)}},
        {"model_state_dict": {"fc._layer.weight": torch.ones(2, 2), "fc._weight_mask": torch.full((2, 2), 0.5)}},
        {"model_state_dict": {"fc.weight": torch.tensor([float("nan")])}},
        {"model_state_dict": {"fc.weight": "text"}},
    ],
)
def test_what_is_no_checkpoint_is_refused_in_one_line(content, tmp_path):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(InputError, match="refused, not executed") as caught:
        read_checkpoint(tmp_path / "a.pth")
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_checkpoint_runs_code(tmp_path):
    marker = tmp_path / "executed"
    for kind, content in code_pickles(marker).items():
        (tmp_path / "a.pth").write_bytes(content)
        with pytest.raises(InputError, match="refused, not executed"):
            read_checkpoint(tmp_path / "a.pth")
        assert not marker.exists(), kind
