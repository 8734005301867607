"""Channel pruning: whole outputs of a layer and the weights that take them are pruned, so that the network shrinks.

A group is an output channel of a layer: its row of weights, and the weights of the next layer that take it (several
where images are flattened in between). Formulas are those of VainF/Torch-Pruning. The outputs of the last layer, the
classes, stay. Only networks whose layers follow one another are pruned so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from zootwins.architectures.architecture import Architecture
from zootwins.architectures.narrowing import narrowed
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
    """Return which channels have an effect, bool `[models, channels]` by the name of the weights that make them.

    A channel has none if all weights that take it are masked.

    Args:
        masks: bool `[models, …]` by the weights' names.
    """
    return {
        name: _taking(masks[following], masks[name].shape[1]).any(3).any(1) for name, following in _pairs(architecture)
    }


def stored_channels(kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the numbers of the channels that stay, int64 `[models, width]` by the names of `kept`, in their order.

    The width of a layer is that of the model which keeps most; of the others the last entries are −1.
    """
    places = {}
    for name, stays in kept.items():
        width = int(stays.sum(1).max()) if len(stays) else 0
        first = (~stays).byte().argsort(dim=1, stable=True)[:, :width]
        places[name] = first.masked_fill(~stays.gather(1, first), -1)
    return places


def shrunk(
    architecture: Architecture, parameters: Mapping[str, Tensor], places: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return parameters without the channels that go, `[models, …]` under the same names.

    What fills up the place of a channel (−1) is 0, so that it has no effect.

    Args:
        parameters: `{layer}.weight` and `{layer}.bias`, `[models, …]`.
        places: see `stored_channels`.
    """
    smaller = dict(parameters)
    for name, following in _pairs(architecture):
        bias, places_of = name.removesuffix("weight") + "bias", places[name]
        for own in (name, bias):
            smaller[own] = _chosen(smaller[own], places_of, 1)
        taken, shape = smaller[following], smaller[following].shape
        columns = _chosen(_taking(taken, architecture.parameter_shapes[name][0]), places_of, 2)
        smaller[following] = columns.reshape(*shape[:2], -1, *shape[3:])
    return smaller


def _chosen(tensor: Tensor, places: Tensor, dim: int) -> Tensor:
    """Select the entries of a dimension of `[models, …]` at each model's places, 0 where there is none (−1)."""
    shape = [len(places), *[1] * (tensor.ndim - 1)]
    shape[dim] = places.shape[1]
    index = places.view(shape)
    size = [*tensor.shape]
    size[dim] = places.shape[1]
    return tensor.gather(dim, index.clamp(min=0).expand(size)).masked_fill(index < 0, 0)


def small_architecture(architecture: Architecture, places: Mapping[str, Tensor]) -> Architecture:
    """Return the chain of layers of networks without the channels that go.

    Raises:
        InputError: if the network is no chain of layers.
    """
    return narrowed(architecture, {name.removesuffix(".weight"): of.shape[1] for name, of in places.items()})


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
        InputError: if the network is no chain of layers.
    """
    places = stored_channels({name: stays[None] for name, stays in kept.items()})
    network = small_architecture(architecture, places).module(activation)
    smaller = shrunk(architecture, {name: tensor[None] for name, tensor in parameters.items()}, places)
    ours = (smaller[name][0] for name in architecture.parameter_shapes)
    network.load_state_dict(dict(zip(network.state_dict(), ours, strict=True)), assign=True)
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

    power: Annotated[int, Field(ge=1, description="Channels are ranked by sums of scores to this power.")] = 2

    def group(self, architecture: Architecture, scores: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the channels' importance."""
        return channel_scores(architecture, {name: score.double() ** self.power for name, score in scores.items()})

    def choose(self, ranking: dict[str, Tensor], due: float | Mapping[str, float], min_left: int) -> dict[str, Tensor]:
        """Return which channels stay, one of each layer at least."""
        return super().choose(ranking, due, max(1, min_left))

    def expand(self, architecture: Architecture, kept: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the masks of weights."""
        return channel_masks(architecture, kept)
