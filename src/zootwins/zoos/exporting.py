"""Populations back to raw models, for `raw_zoo.write_raw_zoo`: originals, trained zoos and both kinds of twins."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import pandas as pd

from zootwins.population import Factors
from zootwins.population.variational import GaussianNoise
from zootwins.storage.shards import TwinShard
from zootwins.zoos.originals import Originals
from zootwins.zoos.raw_texts import METRICS
from zootwins.zoos.raw_zoo import RawModel

_SCORES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")


def original_models(originals: Originals, models: pd.DataFrame) -> Iterator[RawModel]:
    """The dense models, each with the one checkpoint that it was imported with and that checkpoint's accuracy."""
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
    threshold: float = GaussianNoise.threshold,
    lr: float | None = None,
) -> Iterator[RawModel]:
    """The models of shards, one for each model and ratio; variational twins as they are evaluated, pruned.

    Args:
        shards: shards of one zoo and method.
        factors: of the models, by index.
        threshold: log α from which variational weights are pruned.
        lr: the learning rate that twins were trained at; their originals' if None.
    """
    for shard in shards:
        for position, (name, index) in enumerate(zip(shard.models, shard.index, strict=True)):
            tensors = {key: shard.tensor(key, position) for key in shard.names if not key.startswith("mask.")}
            for column, ratio in enumerate(shard.ratios):
                of_ratio = {key: tensor[column] for key, tensor in tensors.items()}
                twin = name if math.isnan(ratio) else f"{name},sparsity={ratio:g}"
                trained = factors[index] if lr is None else replace(factors[index], lr=lr)
                yield _raw_model(twin, trained, shard, of_ratio, threshold)


def _raw_model(name: str, factors: Factors, shard: TwinShard, tensors: dict, threshold: float) -> RawModel:
    checkpoints = {}
    for state, epoch in enumerate(shard.weight_states):
        parameters = {key: tensor[state] for key, tensor in tensors.items() if "." in key}
        checkpoints[epoch] = GaussianNoise(threshold).deterministic(parameters)
    missing = dict.fromkeys(METRICS, math.nan)
    history = [
        {"epoch": epoch, **missing, **{key: tensors[key][state].item() for key in _SCORES}}
        for state, epoch in enumerate(shard.states)
    ]
    return RawModel(name, factors, checkpoints, history)
