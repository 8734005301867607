"""State dicts in wrappers: unwrapped to the same tensors where that is unambiguous, else refused with the remedy."""

from io import BytesIO

import pytest
import safetensors.torch
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from raw_zoos import CNN_S, state, torch_bytes
from zootwins.zoos.raw_texts import BrokenModelError
from zootwins.zoos.state_dicts import load_state_dict, named_parameters

PLAIN = state()
BARE = named_parameters(PLAIN, CNN_S)


def legacy(value) -> bytes:
    buffer = BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def prefixed(*prefixes: str) -> dict:
    return {"".join(prefixes) + key: tensor for key, tensor in PLAIN.items()}


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (torch_bytes(PLAIN), None),
        (torch_bytes(BARE), None),
        (torch_bytes(prefixed("module.")), "without the prefix 'module.'"),
        (torch_bytes(prefixed("_orig_mod.")), "without the prefix '_orig_mod.'"),
        (torch_bytes(prefixed("_orig_mod.", "module.")), "without the prefix 'module.'"),
        (torch_bytes(prefixed("model.")), "without the prefix 'model.'"),
        (torch_bytes({"model_state_dict": PLAIN, "epoch": 3, "optimizer": {}}), "taken from 'model_state_dict'"),
        (torch_bytes({"state_dict": prefixed("module."), "best": 0.5}), "taken from 'state_dict'"),
        (torch_bytes({"model": PLAIN}), "taken from 'model'"),
        (torch_bytes(prefixed("module.") | {"n_averaged": torch.tensor(3)}), "without 'n_averaged'"),
        (legacy(PLAIN), "read from a file of torch < 1.6"),
        (safetensors.torch.save(dict(PLAIN)), "read from a file of safetensors"),
    ],
)
def test_wrappers_are_removed_and_noted(content, note):
    found, notes = load_state_dict(content)
    named = named_parameters(found, CNN_S)
    assert all(torch.equal(named[name], tensor) for name, tensor in BARE.items())
    assert named.keys() == BARE.keys()
    assert any(one.startswith(note) for one in notes) if note else notes == []


def test_masks_of_prune_are_applied():
    network = CNN_S.module("tanh")
    expected = {}
    for layer in CNN_S.layers:
        prune.l1_unstructured(network.get_submodule(layer.name), "weight", amount=0.5)
        expected[f"{layer.name}.weight"] = network.get_submodule(layer.name).weight.detach().clone()
    found, notes = load_state_dict(torch_bytes(network.state_dict()))
    named = named_parameters(found, CNN_S)
    assert notes == ["with its prune masks applied"]
    assert all(torch.equal(named[name], tensor) for name, tensor in expected.items())
    assert (named["fc1.weight"] == 0).double().mean() == 0.5


def parametrized() -> dict:
    network = nn.Sequential(nn.Linear(2, 2))
    parametrizations.orthogonal(network[0])
    return network.state_dict()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (torch_bytes(parametrized()), r"remove_parametrizations\(model\.0, 'weight'\)"),
        (torch_bytes({"0.weight_g": torch.ones(2, 1), "0.weight_v": torch.ones(2, 2)}), "remove_weight_norm"),
        (torch_bytes({"0.weight_orig": torch.ones(2, 2), "0.weight_u": torch.ones(2)}), "remove_spectral_norm"),
        (torch_bytes({"0.weight_orig": torch.ones(2, 2)}), r"without a mask: .*prune\.remove"),
        (torch_bytes({"0.weight_orig": torch.ones(2, 2), "0.weight_mask": torch.ones(2)}), "not of its shape"),
        (torch_bytes(nn.Linear(2, 2)), r"whole module, save the weights alone: torch\.save\(model\.state_dict"),
        (legacy(nn.Linear(2, 2)), r"whole module, save the weights alone: torch\.save\(model\.state_dict"),
        (torch_bytes({"model": PLAIN, "state_dict": PLAIN}), "holds state_dict and model: keep one"),
        (torch_bytes([PLAIN]), r"no state dict; save it by torch\.save"),
        (safetensors.torch.save(dict(PLAIN))[:-9], "refused"),
    ],
)
def test_what_cannot_be_unwrapped_for_certain_is_named_with_the_remedy(content, message):
    with pytest.raises(BrokenModelError, match=message) as caught:
        load_state_dict(content)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:.torch.jit", "ignore:.torch.load. received a zip file")
def test_torchscript_is_named():
    buffer = BytesIO()
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), buffer)
    with pytest.raises(BrokenModelError, match=r"save the weights alone: torch\.save\(model\.state_dict"):
        load_state_dict(buffer.getvalue())
