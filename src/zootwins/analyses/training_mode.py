"""Twins by variational dropout in training mode, without dropout: noisy, and with nothing pruned.

Whether the paper's agreement is that of such twins is one of the hypotheses (`zootwins.analyses.hypotheses`).
"""

from collections.abc import Sequence

import numpy as np
import torch

from zootwins.population import ImageSet, Population
from zootwins.population.batched_network import noisy_predictions
from zootwins.population.variational import GaussianNoise
from zootwins.run.keys import stream_key
from zootwins.sparsifiers.base import Point
from zootwins.storage.shards import TwinShard
from zootwins.zoos.originals import Originals


def training_mode_predictions(
    shards: Sequence[TwinShard], point: Point, originals: Originals, weights: GaussianNoise, zoo: str, data: ImageSet
) -> np.ndarray:
    """Predict classes of twins under one draw of their noise, `[models, samples]`, without dropout.

    Args:
        shards: the zoo's, in order.
        originals: these models, in any order.
        weights: of the method.
        zoo: its id, a part of the noise's key.

    Raises:
        InputError: if the shards have no weights of that epoch.
    """
    rows, names = {index: row for row, index in enumerate(originals.index)}, weights.start(originals.parameters)
    parts = []
    for shard in shards:
        twin, state = shard.twin(point.at), shard.weight_state(point.epoch)
        parameters = {name: shard.twins(name)[:, twin, state].clone() for name in names if name in shard.shapes}
        keys = torch.tensor([stream_key(zoo, model, "training mode") for model in shard.models], dtype=torch.int64)
        factors = [originals.factors[rows[index]] for index in shard.index]
        population = Population(originals.architecture, factors, keys, parameters, weights=weights)
        parts.append(noisy_predictions(population, data).numpy())
    return np.concatenate(parts)
