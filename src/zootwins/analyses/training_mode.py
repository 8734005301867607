"""Twins by variational dropout as they are while they train: with their noise, and with nothing pruned.

Whether the paper's agreement is that of such twins is one of its riddles (`zootwins.analyses.riddles`).
"""

from collections.abc import Sequence

import numpy as np
import torch

from zootwins.population import ImageSet, Population
from zootwins.population.noisy import noisy_predictions
from zootwins.population.randomness import stream_key
from zootwins.population.variational import GaussianNoise
from zootwins.sparsifiers.base import Point
from zootwins.storage.shards import TwinShard
from zootwins.zoos.originals import Originals


def training_mode_predictions(
    shards: Sequence[TwinShard], point: Point, originals: Originals, weights: GaussianNoise, zoo: str, data: ImageSet
) -> np.ndarray:
    """Classes that the twins predict under one draw of their noise, `[models, samples]`, without dropout.

    Args:
        shards: the zoo's, in order.
        originals: the same models in the same order.
        weights: of the method.
        zoo: its id, a part of the noise's key.

    Raises:
        InputError: if the shards have no weights of that epoch.
    """
    parts = []
    for shard in shards:
        state = shard.weight_state(point.epoch)
        names = [name for name in weights.start(originals.parameters) if name in shard.shapes]
        parts.append({name: shard.tensor(name)[:, state] for name in names})
    parameters = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    keys = torch.tensor([stream_key(zoo, model, "training mode") for model in originals.models], dtype=torch.int64)
    population = Population(originals.architecture, originals.factors, keys, parameters, weights=weights)
    return noisy_predictions(population, data).numpy()
