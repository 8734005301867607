"""Channel pruning: importance, choice and smaller networks of the public code, and equal logits."""

import pytest
import torch
from torch.nn import functional as F

from reference_data import LAYERS, architecture, gradients, parameters, reference, weights
from zootwins.architectures.architecture import get_architecture
from zootwins.run.errors import InputError
from zootwins.sparsifiers.channels import (
    Channels,
    channel_masks,
    channel_scores,
    kept_channels,
    shrunk,
    small_architecture,
    small_network,
    stored_channels,
)

FLOAT32 = 3e-7  # relative, of their importance
LOGITS = 3e-8  # theirs in float32, the activations being below 1


def logits(tensors):
    """Of the first four images, by plain PyTorch, whatever the sizes."""
    hidden = reference("network")["images"][:4].to(tensors["conv1.weight"].dtype)
    for layer in LAYERS:
        weight, bias = tensors[f"{layer}.weight"], tensors[f"{layer}.bias"]
        if weight.ndim == 4:
            hidden = F.conv2d(hidden, weight, bias)
            hidden = F.max_pool2d(hidden, 2) if layer != "conv3" else hidden
        else:
            hidden = F.linear(hidden.flatten(1), weight, bias)
        hidden = torch.tanh(hidden) if layer != "fc2" else hidden
    return hidden


def squares():
    return {name: weight.square() for name, weight in weights().items()}


def saliencies():
    return {name: (weight * gradients()[name]).abs() for name, weight in weights().items()}


def chosen(kind, scope):
    """The channels that they keep, bool `[1, channels]`."""
    kept = {}
    for layer in LAYERS[:-1]:
        kept[f"{layer}.weight"] = torch.zeros(1, len(weights()[f"{layer}.weight"][0]), dtype=torch.bool)
        kept[f"{layer}.weight"][:, reference("channels")[f"{kind}.{scope}.kept.{layer}"]] = True
    return kept


@pytest.mark.parametrize(("kind", "scores"), [("l2", squares), ("taylor", saliencies)])
def test_importance_and_choice_are_torch_prunings(kind, scores):
    importance = channel_scores(architecture(), scores())
    for name, of_layer in importance.items():
        expected = reference("channels")[f"{kind}.importance.{name.removesuffix('.weight')}"]
        torch.testing.assert_close(of_layer[0], expected.double(), rtol=FLOAT32, atol=0)
    structure = Channels()
    for scope, due in (("local", dict.fromkeys(importance, 0.5)), ("global", 0.5)):
        kept, expected = structure.choose(importance, due, 0), chosen(kind, scope)
        assert all(torch.equal(kept[name], expected[name]) for name in expected), scope


@pytest.mark.parametrize("scope", ["local", "global"])
@pytest.mark.parametrize("kind", ["l2", "l1_first", "taylor", "lamp"])
def test_the_small_network_is_theirs_with_equal_logits(kind, scope):
    kept, data = chosen(kind, scope), reference("channels")
    small = {n: tensor[0] for n, tensor in shrunk(architecture(), parameters(), stored_channels(kept)).items()}
    for layer in LAYERS:
        assert torch.equal(small[f"{layer}.weight"].float(), data[f"{kind}.{scope}.weight.{layer}"])
        assert torch.equal(small[f"{layer}.bias"].float(), data[f"{kind}.{scope}.bias.{layer}"])
    torch.testing.assert_close(logits(small).float(), data[f"{kind}.{scope}.logits_of_4"], rtol=0, atol=10 * LOGITS)
    masks = channel_masks(architecture(), kept)
    masked = {n: tensor[0] * masks[n][0] if n in masks else tensor[0] for n, tensor in parameters().items()}
    torch.testing.assert_close(logits(small), logits(masked), rtol=0, atol=1e-15)
    found = kept_channels(architecture(), masks)
    assert all(torch.equal(found[name], kept[name]) for name in kept)


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
def test_a_small_network_is_plain_pytorch_and_computes_what_the_masked_one_does(activation):
    masks = channel_masks(architecture(), chosen("l2", "local"))
    masked = {n: tensor[0] * masks[n][0] if n in masks else tensor[0] for n, tensor in parameters().items()}
    whole = architecture().module(activation).double()
    whole.load_state_dict(masked)
    kept = {name: stays[0] for name, stays in kept_channels(architecture(), masks).items()}
    small = small_network(architecture(), activation, masked, kept)
    images = reference("network")["images"].double()
    torch.testing.assert_close(small(images), whole(images), rtol=0, atol=1e-14)
    assert sum(p.numel() for name, p in small.named_parameters() if name.endswith("weight")) == 704
    assert (small.get_submodule("conv1").out_channels, small.get_submodule("fc1").in_features) == (4, 18)


def test_models_of_other_widths_are_filled_up_with_channels_without_effect():
    """One ranking of all channels leaves other numbers of them in each model; sigmoid(0) is not 0."""
    both = {name: torch.cat([tensor, -tensor]) for name, tensor in parameters().items()}
    kept = {name: torch.cat([stays, stays & (stays.cumsum(1) < 3)]) for name, stays in chosen("l2", "global").items()}
    places = stored_channels(kept)
    assert any(bool((of == -1).any()) for of in places.values())
    small, masks = shrunk(architecture(), both, places), channel_masks(architecture(), kept)
    network, whole = small_architecture(architecture(), places).module("sigmoid"), architecture().module("sigmoid")
    for model in range(2):
        network.double().load_state_dict({name: tensor[model] for name, tensor in small.items()})
        masked = {n: tensor[model] * masks[n][model] if n in masks else tensor[model] for n, tensor in both.items()}
        whole.double().load_state_dict(masked)
        images = reference("network")["images"].double()
        torch.testing.assert_close(network(images), whole(images), rtol=0, atol=1e-14)


def test_a_network_that_is_no_chain_is_refused():
    residual = get_architecture("resnet20", 3, image_size=32)
    with pytest.raises(InputError, match="only networks whose layers follow one another"):
        small_network(residual, "relu", {}, {})


def test_channels_of_networks_that_are_no_chain_are_not_scored():
    residual = get_architecture("resnet20", 3, image_size=32)
    weights = {f"{layer.name}.weight": torch.ones(1, *layer.weight_shape) for layer in residual.layers}
    with pytest.raises(InputError, match="resnet20: channels are pruned in networks whose layers follow one another"):
        channel_scores(residual, weights)


def test_half_of_the_channels_are_71_percent_of_the_weights():
    structure = Channels()
    scores = structure.group(architecture(), {name: weight.abs() for name, weight in weights().items()})
    masks = structure.expand(architecture(), structure.choose(scores, dict.fromkeys(scores, 0.5), 0))
    assert sum(int(mask.sum()) for mask in masks.values()) == 704


def test_a_layer_keeps_one_channel():
    structure = Channels()
    scores = structure.group(architecture(), {name: weight.abs() for name, weight in weights().items()})
    assert all(kept.sum() == 1 for kept in structure.choose(scores, dict.fromkeys(scores, 0.99), 0).values())
