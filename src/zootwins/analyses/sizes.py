"""Bytes and measured latency of twins, at full size and without the channels that are pruned.

Latency is measured with plain PyTorch, whose dense kernels compute zeros like other numbers. All networks of a zoo take
turns in one process, so that their numbers can be compared with each other; on another machine they are others.
"""

from collections.abc import Mapping, Sequence
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from zootwins.architectures.architecture import Architecture
from zootwins.catalogue.zoos import Zoo
from zootwins.population.threads import one_thread
from zootwins.sparsifiers.base import Point
from zootwins.sparsifiers.registry import get_sparsifier
from zootwins.sparsifiers.small_twins import SmallTwins
from zootwins.sparsifiers.twins import evaluated_parameters
from zootwins.storage.shards import TwinShard

IMAGES = 64  # in a forward pass that is timed
ROUNDS = 11  # passes of each network, of which the median counts
COLUMNS = ["method", "point", "channel_sparsity", "bytes", "small_bytes", "latency", "small_latency"]


def sizes(
    zoo: Zoo,
    shards: Mapping[str, TwinShard],
    small: Mapping[str, Sequence[Sequence[SmallTwins]]],
    architecture: Architecture,
    activation: str,
    images: Tensor,
) -> pd.DataFrame:
    """Return size and latency of the twins at the milestones of every method's curve.

    Args:
        zoo: with its methods.
        shards: a shard of every method; its first model is timed.
        small: of the methods that remove channels, the smaller networks of every shard.
        architecture: of the twins at full size.
        activation: of the first model.
        images: at least as many as are timed, `[samples, channels, height, width]`.

    Returns:
        A row per method and milestone: channel_sparsity (mean share of removed channels), bytes of the parameters of
        a model (float32), latency (milliseconds of a forward pass of `IMAGES` images on one thread), and both of the
        smaller networks; NaN where there is none.
    """
    rows, networks = [], {}
    for method, shard in shards.items():
        evaluated = evaluated_parameters(shard, 0) if shard.models else {}
        for point in get_sparsifier(method).milestones(zoo.methods[method]):
            if not shard.models or point.epoch not in shard.weight_states:
                continue
            row = {"method": method, "point": point.value, "bytes": _bytes(architecture)}
            networks[len(rows), "latency"] = _network(architecture, activation, _at(shard, evaluated, point))
            if method in small:
                at = shard.twin(point.at)
                first, places = small[method][0][at], [of_shard[at] for of_shard in small[method]]
                parameters = {name: tensor[0] for name, tensor in first.parameters.items()}
                networks[len(rows), "small_latency"] = _network(first.architecture, activation, parameters)
                row |= {"small_bytes": _mean_bytes(places), "channel_sparsity": channel_sparsity(architecture, places)}
            rows.append(row)
    for (number, column), seconds in latencies(networks, images[:IMAGES]).items():
        rows[number][column] = 1000 * seconds
    return pd.DataFrame(rows, columns=COLUMNS)


def channel_sparsity(architecture: Architecture, twins: Sequence[SmallTwins]) -> float:
    """Return the mean share of output channels that models lack, those of the last layer not counted."""
    channels = sum(layer.outputs for layer in architecture.layers[:-1])
    left = torch.cat([sum((of_layer >= 0).sum(1) for of_layer in one.places.values()) for one in twins])
    return 1 - float(left.double().mean()) / channels


@one_thread()
@torch.inference_mode()
def latencies(networks: Mapping[tuple[int, str], nn.Module], images: Tensor) -> dict[tuple[int, str], float]:
    """Return the median seconds of a forward pass of each network, all taking turns."""
    passes = {key: [] for key in networks}
    for round_ in range(ROUNDS + 1):
        for key, network in networks.items():
            began = perf_counter()
            network(images)
            if round_:  # the first pass warms up
                passes[key].append(perf_counter() - began)
    return {key: float(np.median(seconds)) for key, seconds in passes.items()}


def _at(shard: TwinShard, evaluated: Mapping[str, Tensor], point: Point) -> dict[str, Tensor]:
    """Select parameters and buffers of one model at a point from those at all places and states."""
    twins = {name: tensor.flatten(0, len(shard.axes)) for name, tensor in evaluated.items()}
    state = shard.twin(point.at) * len(shard.weight_states) + shard.weight_state(point.epoch)
    return {name: tensor[state] for name, tensor in twins.items()}


def _network(architecture: Architecture, activation: str, parameters: Mapping[str, Tensor]) -> nn.Module:
    network = architecture.module(activation)
    network.load_state_dict(dict(parameters))
    return network.eval()


def _bytes(architecture: Architecture) -> int:
    return 4 * sum(np.prod(shape, dtype=int) for shape in architecture.parameter_shapes.values())


def _mean_bytes(twins: Sequence[SmallTwins]) -> float:
    """Average over the models of shards that keep different numbers of channels."""
    return float(
        np.repeat(
            [_bytes(one.architecture) for one in twins], [len(next(iter(one.places.values()))) for one in twins]
        ).mean()
    )
