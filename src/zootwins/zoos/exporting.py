"""Populations back to raw models, for `raw_zoo.write_raw_zoo`: originals, trained zoos and twins."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

import pandas as pd
from torch import Tensor

from zootwins.architectures.architecture import Architecture
from zootwins.population import Factors
from zootwins.storage.shards import TwinShard
from zootwins.zoos.dialects.base import RawModel
from zootwins.zoos.originals import Originals
from zootwins.zoos.raw_texts import METRICS

TRAINED = "trained"  # the method of originals that were trained here, which are not twins
_SCORES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")


def original_models(originals: Originals, models: pd.DataFrame) -> Iterator[RawModel]:
    """Return the dense models, each with the checkpoint that it was imported with and its accuracy."""
    table = models.set_index("index")
    for row, (name, index, factors) in enumerate(
        zip(originals.models, originals.index, originals.factors, strict=True)
    ):
        epoch = int(table.epoch[index])
        accuracy = table.test_accuracy[index]
        history = {"epoch": epoch, **dict.fromkeys(METRICS, math.nan), "test_accuracy": float(accuracy)}
        parameters = {key: tensor[row] for key, tensor in originals.parameters.items()}
        yield RawModel(name, factors, {epoch: parameters}, [history])


def shard_models(
    shards: Iterable[TwinShard],
    factors: Mapping[int, Factors],
    architecture: Architecture,
    deterministic: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] = dict,
    trained_with: Callable[[Factors, Mapping[str, float]], Factors] = lambda own, place: own,
) -> Iterator[RawModel]:
    """Yield the models of shards, one for each twin, as they are evaluated, with what they are twins of.

    Args:
        shards: shards of one zoo and method.
        factors: of the models, by index.
        architecture: of all the models.
        deterministic: from what was trained to the weights and biases that are evaluated; as they are by default.
        trained_with: the factors of a twin's training, given its original's and its place on the axes.
    """
    for shard in shards:
        for position, (name, index) in enumerate(zip(shard.models, shard.index, strict=True)):
            tensors = {key: shard.twins(key, position) for key in shard.shapes if not key.startswith("mask.")}
            for column, place in enumerate(shard.coordinates):
                twin = ",".join([name, *(f"{axis}={value:g}" for axis, value in place.items())])
                of_twin = {key: tensor[column] for key, tensor in tensors.items()}
                model = _raw_model(twin, trained_with(factors[index], place), shard, of_twin, deterministic)
                sparsity = of_twin["sparsity"].double() @ architecture.weight_shares
                for row, share in zip(model.history, sparsity.tolist(), strict=True):
                    row["sparsity"] = share
                labels = {} if shard.method == TRAINED else {"method": shard.method, "original": name, **place}
                yield replace(model, labels={f"twin::{label}": value for label, value in labels.items()})


def _raw_model(name: str, factors: Factors, shard: TwinShard, tensors: dict, deterministic: Callable) -> RawModel:
    checkpoints = {}
    for state, epoch in enumerate(shard.weight_states):
        parameters = {key: tensors[key][state][None] for key in shard.parameters}
        checkpoints[epoch] = {key: tensor[0] for key, tensor in deterministic(parameters).items()}
    missing = dict.fromkeys(METRICS, math.nan)
    history = [
        {"epoch": epoch, **missing, **{key: tensors[key][state].item() for key in _SCORES}}
        for state, epoch in enumerate(shard.states)
    ]
    return RawModel(name, factors, checkpoints, history)
