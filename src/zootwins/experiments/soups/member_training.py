"""Retraining of members, which resumes after an interruption.

A job retrains several populations, one after the other. What is through is kept beside the results, with the state of
the current one; the next run of the same configuration has the same tensors.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zootwins.experiments.soups.recipes import shape
from zootwins.population import Engine, ImageSet, Population
from zootwins.population.trajectory import Plan, Training, ignore
from zootwins.storage.resume import Parts, Resume

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lengths:
    """How long the lanes of a population train, and at which learning rates.

    Attributes:
        schedule: a name of the configuration.
        epochs: of each lane; one that is through stands still.
        highest: what each lane's factors are multiplied with, float64 `[lanes]`.
    """

    schedule: str
    epochs: Sequence[int]
    highest: Tensor

    @property
    def longest(self) -> int:
        return max(self.epochs, default=0)

    def factors(self, epoch: int, steps: int) -> Tensor:
        """Return the factors of an epoch, the first being 1, float32 `[lanes, steps]`."""
        rows = {}
        for epochs in set(self.epochs):
            whole = np.zeros(max(self.longest, epochs) * steps)
            whole[: epochs * steps] = shape(self.schedule, epochs * steps)
            rows[epochs] = torch.from_numpy(whole[(epoch - 1) * steps : epoch * steps])
        lanes = [rows[epochs] for epochs in self.epochs]
        stacked = torch.stack(lanes) if lanes else torch.zeros(0, steps, dtype=torch.float64)
        return (stacked * self.highest[:, None]).float()


class Retraining:
    """The retrainings of a job, each under a name of its own."""

    def __init__(
        self,
        engine: Engine,
        images: ImageSet,
        total: int,
        resume: Resume | None = None,
        on_epoch: Callable[[int, int], None] = ignore,
    ):
        """Prepare the training.

        Args:
            images: what is trained on.
            total: epochs of all retrainings together, for `on_epoch`.
        """
        self.engine, self.images, self.total, self.on_epoch = engine, images, total, on_epoch
        self.parts = Parts(resume and resume.of_engine(engine.name))
        self.done = 0

    def train(
        self, name: str, population: Population, lengths: Lengths, averaged_from: int | None = None
    ) -> dict[str, Tensor]:
        """Retrain a population.

        Args:
            name: of the retraining.
            population: in place.
            averaged_from: the first epoch after which the parameters count in their mean.

        Returns:
            The parameters, and their mean over epochs (where asked for) as `mean.{parameter}`.
        """
        steps = len(population.batches(self.images))
        factors = lambda epoch: lengths.factors(epoch, steps)  # noqa: E731
        return self.by_plan(name, population, Plan(lengths.longest, lr_factors=factors, averaged_from=averaged_from))

    def by_plan(self, name: str, population: Population, plan: Plan) -> dict[str, Tensor]:
        """Train a population by a plan; see `train`."""
        epochs, finished = plan.epochs, self.parts.finished
        if name in finished:
            self.done += epochs
            return finished[name]
        training, part = Training(self.engine, population, self.images, plan), self.parts.part(name)
        if saved := part.load()[1] if part else {}:
            training.load_state_dict(saved)
            log.info("%s: resuming after epoch %d", name, training.epoch)
        self.done += training.epoch
        while training.epoch < epochs:
            loss = training.next_epoch().loss.mean()
            self.done += 1
            of = f"{name}, epoch {training.epoch} of {epochs}, {len(population)} models"
            log.info("%s: train loss %.4f", of, loss)
            self.on_epoch(self.done, self.total)
            if part and training.epoch < epochs:
                part.save(training.epoch, training.state_dict)
        means = {f"mean.{key}": tensor for key, tensor in training.mean().items()}
        self.parts.finish(name, {key: tensor.clone() for key, tensor in population.tensors.items()} | means)
        return finished[name]
