"""Retraining of candidates, in a way that goes on after a kill where it was.

A job retrains several populations, one after the other. What is through is kept beside the results, with the state of
the one that is going on; the next run of the same configuration comes to the same tensors.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zootwins.experiments.soups.schedules import shape
from zootwins.population import Engine, ImageSet, Population
from zootwins.population.trajectory import ignore
from zootwins.storage.resume import Resume

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
        """The factors of an epoch, the first being 1, float32 `[lanes, steps]`."""
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
        """
        Args:
            images: what is trained on.
            total: epochs of all retrainings together, for `on_epoch`.
        """
        self.engine, self.images, self.total, self.on_epoch = engine, images, total, on_epoch
        self.resume = resume and resume.of_engine(engine.name)
        self.done = 0
        self.finished: dict[str, dict[str, Tensor]] = {}
        self.running: tuple[str, int, dict[str, Tensor]] | None = None
        self._load()

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
        epochs = lengths.longest
        if name in self.finished:
            self.done += epochs
            return self.finished[name]
        first, sums = self._resumed(name, population)
        if averaged_from is not None and not sums:
            sums = {key: torch.zeros_like(tensor, dtype=torch.float64) for key, tensor in population.parameters.items()}
        steps = -(-len(self.images) // population.batch_size)
        self.done += first
        for epoch in range(first + 1, epochs + 1):
            scores = self.engine.train_epoch(population, self.images, epoch, lr_factors=lengths.factors(epoch, steps))
            if averaged_from is not None and epoch >= averaged_from:
                for key, tensor in population.parameters.items():
                    sums[key] += tensor
            self.done += 1
            log.info(
                "%s, epoch %d of %d, %d models: train loss %.4f",
                name,
                epoch,
                epochs,
                len(population),
                scores.loss.mean(),
            )
            self.on_epoch(self.done, self.total)
            if epoch < epochs:
                self._save(epoch, _state(name, population, sums))
        counted = epochs - (averaged_from or 0) + 1
        means = {f"mean.{key}": (tensor / counted).to(population.parameters[key].dtype) for key, tensor in sums.items()}
        self.finished[name] = {key: tensor.clone() for key, tensor in population.parameters.items()} | means
        self._save(0, {})
        return self.finished[name]

    def _resumed(self, name: str, population: Population) -> tuple[int, dict[str, Tensor]]:
        """The epoch that a killed run got to in this retraining, its state put into `population`; the running sums."""
        if self.running is None or self.running[0] != name:
            return 0, {}
        _, epoch, tensors = self.running
        kinds: dict[str, dict[str, Tensor]] = {"parameters": {}, "optimizer_state": {}, "sums": {}}
        for key, tensor in tensors.items():
            kind, parameter = key.split("/")
            kinds[kind][parameter] = tensor
        population.parameters, population.optimizer_state = kinds["parameters"], kinds["optimizer_state"]
        self.running = None
        log.info("%s: resuming after epoch %d", name, epoch)
        return epoch, kinds["sums"]

    def _save(self, epoch: int, running: Mapping[str, Tensor]) -> None:
        """Save what there is, if it is time."""
        if self.resume:
            finished = {f"finished/{name}/{key}": t for name, of in self.finished.items() for key, t in of.items()}
            self.resume.save(epoch, lambda: finished | dict(running))

    def _load(self) -> None:
        epoch, tensors = self.resume.load() if self.resume else (0, {})
        running: dict[str, Tensor] = {}
        for key, tensor in tensors.items():
            state, name, rest = key.split("/", 2)
            if state == "finished":
                self.finished.setdefault(name, {})[rest] = tensor
            else:
                running[rest] = tensor
                self.running = name, epoch, running


def _state(name: str, population: Population, sums: Mapping[str, Tensor]) -> dict[str, Tensor]:
    kinds = {"parameters": population.parameters, "optimizer_state": population.optimizer_state, "sums": sums}
    return {f"running/{name}/{kind}/{key}": tensor for kind, named in kinds.items() for key, tensor in named.items()}
