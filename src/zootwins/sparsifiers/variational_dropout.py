"""Sparse variational dropout: weights learn how much noise they bear, and those that bear the most are pruned.

Molchanov, Ashukha, Vetrov (2017), with the settings of the paper's authors; the mathematics is in
`zootwins.population.variational`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from zootwins.population import Engine, ImageData, Population
from zootwins.population.randomness import stream_key
from zootwins.population.trajectory import Plan, Resume, ignore, record_trajectory
from zootwins.population.variational import GaussianNoise
from zootwins.sparsifiers.settings import VariationalDropout
from zootwins.storage.shards import Trajectory
from zootwins.zoos.originals import Originals


def kl_weight(epoch: int) -> float:
    """Weight of the KL term in epoch 1, 2, …: 0, 0.0004, … (the authors' schedule, which never gets near 1)."""
    return min(1.0, 0.01 * (epoch - 1) / 25)


def variational_population(originals: Originals, settings: VariationalDropout, zoo: str) -> Population:
    """The models with a log σ² for every noisy parameter, before training."""
    weights = GaussianNoise(threshold=settings.threshold)
    return Population(
        originals.architecture,
        [f if settings.lr is None else replace(f, lr=settings.lr) for f in originals.factors],
        torch.tensor([stream_key(zoo, model, "vd") for model in originals.models], dtype=torch.int64),
        weights.start(originals.parameters),
        weights=weights,
    )


def train(
    engine: Engine,
    originals: Originals,
    data: ImageData,
    settings: VariationalDropout,
    zoo: str,
    weight_states: Sequence[int] | None = None,
    resume: Resume | None = None,
    on_epoch: Callable[[int, int], None] = ignore,
) -> Trajectory:
    """Train models with variational dropout; predictions are those of the pruned models, at every state."""
    return record_trajectory(
        engine,
        variational_population(originals, settings, zoo),
        data,
        Plan(settings.epochs, prediction_states=range(settings.epochs + 1), penalty=kl_weight),
        weight_states=weight_states,
        resume=resume,
        on_epoch=on_epoch,
    )
