"""Full transfer: all that is not pruned is trained on, under a new head, by SGD in the reference's schedule.

Two deviations from the reference: images are not augmented, and they are normalised as upstream. A model's own dropout
stays: it is a part of the network.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from zootwins.analyses.status import status_of
from zootwins.architectures.architecture import CLASSES
from zootwins.catalogue.transfer import Full
from zootwins.experiments.transfer.backbones import Backbones
from zootwins.experiments.transfer.schedules import class_accuracy, log_diverged, lr_factor, rows_of, transfer_keys
from zootwins.population import Engine, ImageData, Population
from zootwins.population.probe import initial_heads
from zootwins.population.trajectory import PREDICTIONS, Plan, ignore, record_trajectory
from zootwins.storage.resume import Resume
from zootwins.storage.shards import Axis, Trajectory


def full_population(
    backbones: Backbones, names: tuple[str, str], settings: Full, lrs: Sequence[float], classes: int = CLASSES
) -> Population:
    """Return the candidates with new heads before training, `[models · candidates · restarts, …]`.

    The candidates of a model share its initial heads and its order of the images. Pruned weights are masked; the new
    head is dense, and has the task's number of classes.
    """
    grid = (len(backbones), len(backbones.candidates), settings.restarts)
    keys = torch.stack(
        [transfer_keys(names[0], backbones.models, names[1], "full", n) for n in range(settings.restarts)], dim=1
    )

    def spread(tensor: Tensor) -> Tensor:
        """Repeat `[models, candidates, …]` for all restarts."""
        return tensor[:, :, None].expand(*grid, *tensor.shape[2:]).flatten(0, 2).clone()

    architecture = backbones.architecture.with_classes(classes)
    head = architecture.head
    heads = initial_heads(keys.flatten(), head.inputs, classes).unflatten(0, keys.shape)[:, None]
    heads = heads.expand(*grid, *heads.shape[3:]).flatten(0, 2)
    parameters = {name: spread(tensor) for name, tensor in backbones.parameters.items()}
    parameters |= {f"{head.name}.weight": heads[..., :-1].clone(), f"{head.name}.bias": heads[..., -1].clone()}
    rule = {name: getattr(settings, name) for name in ("momentum", "weight_decay", "batch_size")}
    return Population(
        architecture,
        [
            replace(factors, optimizer="sgd", lr=lr, **rule)
            for factors in backbones.factors
            for lr in lrs
            for _ in range(settings.restarts)
        ],
        keys[:, None].expand(grid).flatten().clone(),
        parameters,
        {name: spread(mask) for name, mask in backbones.masks().items()},
    )


def axes(backbones: Backbones, settings: Full) -> tuple[Axis, Axis]:
    """Return the axes of a model's transferred networks: the candidate's number, and the restart's."""
    counts = {"candidate": len(backbones.candidates), "restart": settings.restarts}
    return tuple(Axis(name, tuple(map(float, range(count)))) for name, count in counts.items())


def transfer_full(
    engine: Engine,
    backbones: Backbones,
    data: ImageData,
    names: tuple[str, str],
    settings: Full,
    lrs: Sequence[float],
    resume: Resume | None = None,
    on_epoch: Callable[[int, int], None] = ignore,
) -> Trajectory:
    """Train every candidate on a task.

    Args:
        engine: what trains.
        backbones: the candidates.
        data: the task.
        names: of zoo and task, for the random streams.
        settings: of full transfer.
        lrs: the learning rate that each candidate begins with.
        resume: where an interrupted run continues.
        on_epoch: called after every epoch.

    Returns:
        A trajectory whose tensors start with `[models, candidates, restarts, states, …]`; weights and predictions are
        those of the last epoch.
    """
    population = full_population(backbones, names, settings, lrs, data.train.classes)
    steps = -(-len(data.train) // settings.batch_size)

    def lr_factors(epoch: int) -> Tensor:
        return torch.full((len(population), steps), lr_factor(epoch, settings.epochs))

    plan = Plan(settings.epochs, prediction_states=(settings.epochs,), lr_factors=lr_factors)
    trajectory = record_trajectory(
        engine, population, data, plan, weight_states=[settings.epochs], resume=resume, on_epoch=on_epoch
    )
    grid = (len(backbones), *(len(axis.values) for axis in axes(backbones, settings)))
    trajectory.tensors = {name: tensor.unflatten(0, grid) for name, tensor in trajectory.tensors.items()}
    finite = [trajectory.tensors[name].isfinite().flatten(2).all(2) for name in backbones.parameters]
    log_diverged(backbones, torch.stack(finite).all(0).numpy(), "finite parameters after full transfer")
    return trajectory


def full_rows(backbones: Backbones, trajectory: Trajectory, labels: Tensor, lr: float) -> pd.DataFrame:
    """Add restart, epoch, lr, validation_accuracy, status, accuracy and class_accuracy (test) to `rows_of`.

    Args:
        backbones: the candidates.
        trajectory: as `transfer_full` returns it.
        labels: of the test images, `[samples]`.
        lr: the learning rate.
    """
    recorded = {name: trajectory.tensors[name].double().numpy() for name in ("validation_accuracy", "test_accuracy")}
    predictions = trajectory.tensors[PREDICTIONS][..., 0, :].numpy()
    by_class = class_accuracy(predictions, labels.numpy())
    diverged = ~trajectory.tensors["test_loss"].isfinite().numpy()
    collapsed = (predictions == predictions[..., :1]).all(-1)
    parts = []
    for restart in range(predictions.shape[2]):
        for state, epoch in enumerate(trajectory.states):
            last = epoch == trajectory.states[-1]
            parts.append(
                rows_of(
                    backbones,
                    restart=restart,
                    epoch=epoch,
                    lr=lr,
                    validation_accuracy=recorded["validation_accuracy"][:, :, restart, state],
                    accuracy=recorded["test_accuracy"][:, :, restart, state],
                    class_accuracy=by_class[:, :, restart] if last else np.nan,
                    status=status_of(diverged[:, :, restart, state], last & collapsed[:, :, restart], known=last),
                )
            )
    return pd.concat(parts, ignore_index=True)
