"""Distance, barrier and agreement between the parts of an average.

The barrier of two networks is how far accuracy on the straight line between them falls, at most, below the straight
line between their own accuracies, at eleven points (as Entezari et al. 2022 have it of the loss): 0 where it falls
nowhere. The first part of each mixture is taken with each of the others. Statistics of batch
normalisation are those that training images give to a network in between; a second barrier is with the statistics on
the line, as the weights are.
"""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from zootwins.analyses.status import status_of
from zootwins.experiments.soups.evaluation import ArmShards
from zootwins.experiments.soups.gains import PARTS, POINTS
from zootwins.experiments.soups.phases import evaluated_lanes, grid_of, trained_tensors, with_own_statistics
from zootwins.population import Engine, ImageData


def pair_scores(engine: Engine, arm_shards: ArmShards, data: ImageData) -> pd.DataFrame:
    """Return one row per model, goal, phase and pair of parts.

    Columns: index, goal, phase, kind, member (the second part's), status (whether one of the two diverged), distance
    (L2, of all weights and biases), agreement (the share of test images that both put into the same class), barrier,
    barrier_unrecomputed (with statistics of batch normalisation on the line; NaN without such), and the accuracies on
    the line, `line_0` (the first part) to `line_10`.
    """
    parts = [
        _pairs(engine, arm_shards, arm, phase, data).assign(phase=phase, kind=PARTS[arm])
        for arm in arm_shards.arms
        if arm in PARTS
        for phase in arm_shards.phases
    ]
    return pd.concat(parts, ignore_index=True)


def _pairs(engine: Engine, arm_shards: ArmShards, arm: str, phase: int, data: ImageData) -> pd.DataFrame:
    networks = arm_shards.networks(arm, phase)
    ends = arm_shards.tensor(arm, "test_accuracy", phase).double().numpy()
    predictions = arm_shards.tensor(arm, "predictions", phase)
    differences = {
        name: (tensor[:, :, 1:] - tensor[:, :, :1]).double() for name, tensor in trained_tensors(networks).items()
    }
    squares = sum(tensor.flatten(3).square().sum(3) for tensor in differences.values())
    own = _between(arm_shards, networks)
    line = _line(
        engine, arm_shards, ends, [with_own_statistics(arm_shards.originals, one, data.train) for one in own], data
    )
    unrecomputed = np.full(line.shape[1:], np.nan)
    if arm_shards.originals.architecture.buffer_shapes:
        unrecomputed = barrier(_line(engine, arm_shards, ends, own, data))
    models, goals, others = np.indices(line.shape[1:]).reshape(3, -1)
    diverged = ~arm_shards.tensor(arm, "test_loss", phase).isfinite().numpy()
    either = diverged[:, :, :1] | diverged[:, :, 1:]
    values = {
        "distance": squares.sqrt().numpy(),
        "agreement": (predictions[:, :, 1:] == predictions[:, :, :1]).double().mean(-1).numpy(),
        "barrier": barrier(line),
        "barrier_unrecomputed": unrecomputed,
        **{f"line_{point}": accuracy for point, accuracy in enumerate(line)},
    }
    return pd.DataFrame(
        {
            "index": np.array(arm_shards.originals.index, dtype=np.int64)[models],
            "goal": np.array(arm_shards.goals)[goals],
            "member": others + 2,
            "status": status_of(either, either, known=False),
            **{name: array.ravel() for name, array in values.items()},
        }
    )


def barrier(line: np.ndarray) -> np.ndarray:
    """Return the barrier of accuracies on a line, `[points, …]`, at equal distances with both ends."""
    share = np.linspace(0, 1, len(line)).reshape(-1, *[1] * (line.ndim - 1))
    return ((1 - share) * line[0] + share * line[-1] - line).max(0)


def _between(arm_shards: ArmShards, networks: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    """Return the networks between the first run and each other, `[models, goals, runs − 1, …]`, without the ends."""
    others = {name: tensor[:, :, 1:] for name, tensor in networks.items()}
    return [
        {
            name: torch.lerp(networks[name][:, :, :1].expand_as(tensor), tensor, point / (POINTS - 1))
            if tensor.is_floating_point()  # else a count of batches
            else tensor
            for name, tensor in others.items()
        }
        for point in range(1, POINTS - 1)
    ]


def _line(
    engine: Engine,
    arm_shards: ArmShards,
    ends: np.ndarray,
    between: list[dict[str, Tensor]],
    data: ImageData,
) -> np.ndarray:
    """Return accuracies on the line, `[points, models, goals, runs − 1]`; the ends' are known."""
    found = [engine.evaluate(evaluated_lanes(arm_shards.originals, one), data.test).accuracy for one in between]
    accuracies = [accuracy.unflatten(0, grid_of(between[0])).numpy() for accuracy in found]
    return np.stack([ends[:, :, :1] + np.zeros_like(ends[:, :, 1:]), *accuracies, ends[:, :, 1:]])
