"""Channel pruning: whole outputs of a layer go, with all that takes them, so that the network becomes smaller.

A group is an output channel of a layer: its row of weights, and the weights of the next layer that take it (several
where images are flattened in between). Formulas are those of VainF/Torch-Pruning. The outputs of the last layer, the
classes, stay. Only networks whose layers follow one another are pruned so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from zootwins.architectures.architecture import Architecture
from zootwins.run.errors import InputError
from zootwins.sparsifiers.composition import Structure


def channel_scores(architecture: Architecture, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the importance of every channel, `[models, channels]` by the name of the weights that make it.

    It is the mean of two sums of the weights' scores: of those that make the channel and those that take it; divided by
    its mean over the layer, so that layers can be compared.
    """
    groups = {}
    for name, following in _pairs(architecture):
        made = scores[name].flatten(2).sum(2)
        importance = (made + _taking(scores[following], made.shape[1]).sum(3).sum(1)) / 2
        groups[name] = importance / importance.mean(1, keepdim=True)
    return groups


def channel_masks(architecture: Architecture, kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the masks of weights, bool `[models, …]`, under which channels have no effect.

    Args:
        kept: bool `[models, channels]` by the name of the weights that make them.
    """
    models = len(next(iter(kept.values())))
    masks = {
        name: torch.ones(models, *architecture.parameter_shapes[name], dtype=torch.bool)
        for name in architecture.weight_names
    }
    for name, following in _pairs(architecture):
        masks[name].flatten(2).masked_fill_(~kept[name][..., None], False)
        # weights that take a channel are pruned too: the sigmoid of 0, for one, is not 0
        _taking(masks[following], kept[name].shape[1]).masked_fill_(~kept[name][:, None, :, None], False)
    return masks


def kept_channels(architecture: Architecture, masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return which channels have an effect, bool `[channels]` by the weights' names, of one model's masks.

    A channel has none if all weights that take it are masked.
    """
    return {
        name: _taking(masks[following][None], masks[name].shape[0]).any(3).any(1)[0]
        for name, following in _pairs(architecture)
    }


def shrunk(
    architecture: Architecture, parameters: Mapping[str, Tensor], kept: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return one model's parameters without the channels that go, under the same names.

    Args:
        parameters: `{layer}.weight` and `{layer}.bias` of one model.
        kept: bool `[channels]` by the name of the weights that make them.
    """
    smaller = dict(parameters)
    for name, following in _pairs(architecture):
        stays = kept[name]
        bias = name.removesuffix("weight") + "bias"
        smaller[name], smaller[bias] = smaller[name][stays], smaller[bias][stays]
        columns = _taking(smaller[following][None], len(stays))[0][:, stays]
        shape = smaller[following].shape
        smaller[following] = columns.reshape(shape[0], -1, *shape[2:])
    return smaller


def small_network(
    architecture: Architecture, activation: str, parameters: Mapping[str, Tensor], kept: Mapping[str, Tensor]
) -> nn.Module:
    """Return one model as a plain PyTorch network without the channels that go: its logits are those of the whole.

    Args:
        architecture: a chain of layers.
        activation: the model's.
        parameters: of the model at full size, those of removed channels masked or not.
        kept: bool `[channels]` by the name of the weights that make them; see `kept_channels`.

    Raises:
        InputError: if the network is no chain of layers, or has buffers.
    """
    if not architecture.chain:
        raise InputError(
            f"{architecture.name}: only networks whose layers follow one another can be made smaller by their channels"
        )
    smaller = shrunk(architecture, parameters, kept)
    network = architecture.module(activation)
    for layer in architecture.layers:
        module, weight = network.get_submodule(layer.name), smaller[f"{layer.name}.weight"]
        module.weight, module.bias = nn.Parameter(weight.clone()), nn.Parameter(smaller[f"{layer.name}.bias"].clone())
        outputs, inputs = weight.shape[:2]
        if layer.is_conv:
            module.out_channels, module.in_channels = outputs, inputs
        else:
            module.out_features, module.in_features = outputs, inputs
    return network.eval()


def _pairs(architecture: Architecture) -> list[tuple[str, str]]:
    """Return the names of weights that make channels, and of those that take them.

    Raises:
        InputError: if the network is no chain, in which others take a channel too.
    """
    if not architecture.chain:
        raise InputError(
            f"{architecture.name}: channels are pruned in networks whose layers follow one another; leave "
            "channel_pruning out for this zoo"
        )
    return list(pairwise(architecture.weight_names))


def _taking(weights: Tensor, channels: int) -> Tensor:
    """View the weights `[models, outputs, inputs, …]` that take each channel as `[models, outputs, channels, …]`."""
    return weights.view(*weights.shape[:2], channels, -1)


@dataclass(frozen=True)
class Channels(Structure):
    """Output channels are pruned, by the sum of their weights' scores to a power (2: their squared L2 norm)."""

    power: int = 2

    def group(self, architecture: Architecture, scores: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the channels' importance."""
        return channel_scores(architecture, {name: score.double() ** self.power for name, score in scores.items()})

    def choose(self, ranking: dict[str, Tensor], due: float | Mapping[str, float], min_left: int) -> dict[str, Tensor]:
        """Return which channels stay, one of each layer at least."""
        return super().choose(ranking, due, max(1, min_left))

    def expand(self, architecture: Architecture, kept: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the masks of weights."""
        return channel_masks(architecture, kept)
