"""Training a zoo from its generating factors: which models it has, what they are called, and their training.

Schedules of learning rates are those of `torch.optim.lr_scheduler`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler

from zootwins.architectures.architecture import Architecture
from zootwins.population import Engine, Factors, ImageData, Population
from zootwins.population.initialisation import initial_parameters
from zootwins.population.trajectory import Plan, ignore, record_trajectory
from zootwins.run.keys import stream_key
from zootwins.storage.resume import Resume
from zootwins.storage.shards import Trajectory
from zootwins.zoos.sources import GRID, Schedule, TrainSource

CONSTANT = Schedule()


def positions(settings: TrainSource) -> list[int]:
    """Return which of the grid's models the zoo has, as places in the product of the lists and seeds.

    A sample takes the places in an order that depends on nothing but their numbers, so that it is spread over the
    grid and a larger one begins with a smaller one.
    """
    places = range(settings.combinations)
    if settings.sample is None:
        return list(places)
    return sorted(places, key=lambda place: stream_key("sample", place))[: settings.sample]


def generating_factors(settings: TrainSource) -> list[Factors]:
    """Return the factors of every model of a zoo: each combination of the lists, with each of its seeds.

    With `seed_mode` shared all combinations have the seeds 1, 2, …; with drawn every model has one of its own,
    which depends on its position alone.
    """
    factors = []
    for values in product(*(getattr(settings, name) for name in GRID)):
        shared = dict(zip(GRID, values, strict=True))
        for seed in range(1, settings.seeds + 1):
            momentum = settings.momentum if shared["optimizer"] in ("sgd", "nesterov") else 0.0
            own = {"seed": seed, "momentum": momentum, "schedule": settings.schedule.label}
            factors.append(Factors(batch_size=settings.batch_size, **own, **shared))
    if settings.seed_mode == "drawn":
        factors = [replace(f, seed=stream_key("seed", index) % 2**31) for index, f in enumerate(factors)]
    return [factors[place] for place in positions(settings)]


def model_names(settings: TrainSource) -> list[str]:
    """Name the models' folders as the authors do: their place in the grid and what varies between them."""
    varied = [name for name in GRID if len(getattr(settings, name)) > 1]
    names = []
    for place, factors in zip(positions(settings), generating_factors(settings), strict=True):
        described = ",".join(f"{name}={getattr(factors, name)}" for name in (*varied, "seed"))
        names.append(f"NN_tune_trainable_{place:05d}_{described}")
    return names


def train_zoo(
    engine: Engine,
    models: Sequence[str],
    factors: Sequence[Factors],
    architecture: Architecture,
    data: ImageData,
    epochs: int,
    zoo: str,
    schedule: Schedule = CONSTANT,
    weight_states: Sequence[int] | None = None,
    resume: Resume | None = None,
    on_epoch: Callable[[int, int], None] = ignore,
) -> Trajectory:
    """Train the models with the names `models` and these factors, from their own seeds' initial weights."""
    initial = [initial_parameters(architecture, each) for each in factors]
    population = Population(
        architecture,
        factors,
        torch.tensor([stream_key(zoo, model, "train") for model in models], dtype=torch.int64),
        {name: torch.stack([parameters[name] for parameters in initial]) for name in architecture.tensor_shapes},
    )
    rates = None
    if schedule != CONSTANT:
        rates = lr_factors(schedule, epochs, len(population.batches(data.train)))
    plan = Plan(epochs, lr_factors=rates if rates is None else lambda epoch: rates[epoch - 1].expand(len(models), -1))
    return record_trajectory(
        engine, population, data, plan, weight_states=weight_states, resume=resume, on_epoch=on_epoch
    )


def lr_factors(schedule: Schedule, epochs: int, steps: int) -> Tensor:
    """Return what the learning rate is multiplied with at every step, float32 `[epochs, steps]`.

    Args:
        schedule: `cosine` falls by epochs, `onecycle` rises and falls by steps and leaves momentum alone; both after
            the warm-up, which rises linearly by epochs.
        epochs: of the training.
        steps: of the optimiser in an epoch.
    """
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(()))], lr=1.0)
    by_epoch, by_step = [], []
    warmup, left = schedule.warmup_epochs, (schedule.cycle or epochs) - schedule.warmup_epochs
    if schedule.name == "cosine":
        by_epoch.append(lr_scheduler.CosineAnnealingLR(optimizer, T_max=left))
    elif schedule.name == "onecycle":
        cycle = lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=left * steps, cycle_momentum=False)
        by_step.append(cycle)
    factors = torch.ones(epochs, steps)
    for epoch in range(epochs):
        for step in range(steps):
            factors[epoch, step] = (epoch + 1) / warmup if epoch < warmup else optimizer.param_groups[0]["lr"]
            optimizer.step()
            for scheduler in by_step if epoch >= warmup and (epoch, step) != (epochs - 1, steps - 1) else ():
                scheduler.step()
        for scheduler in by_epoch if epoch >= warmup else ():
            scheduler.step()
    return factors
