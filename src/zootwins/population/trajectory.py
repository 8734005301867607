"""Training a population for some epochs and recording every state: what training, MP and VD have in common.

A run can be killed at any time: after an epoch its whole state is saved beside the results, and the next run of the
same configuration goes on from there to the same tensors.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from zootwins.population import Engine, ImageSet, Population, layer_sparsity
from zootwins.run.errors import InputError
from zootwins.storage import tensor_files
from zootwins.storage.shards import Trajectory

log = logging.getLogger(__name__)

_SAVING_SHARE = 0.05  # of the time spent on saving what a killed run would lose
SCORES = ("train_accuracy", "train_loss", "test_accuracy", "test_loss", "sparsity")


@dataclass(frozen=True)
class Resume:
    """Where a run keeps its state while it is going on, and the digest of the configuration it belongs to."""

    path: Path
    digest: str

    def __enter__(self) -> "Resume":
        return self

    def __exit__(self, kind, error, traceback) -> None:
        """Remove the saved state once the run's results are safe; after an error it stays for the next run."""
        if kind is None:
            self.path.unlink(missing_ok=True)


def kept_states(keep: str, epochs: int) -> list[int]:
    """The states whose weights are kept: of `all` epochs or of the `final` one."""
    return list(range(epochs + 1)) if keep == "all" else [epochs]


@dataclass
class _Records:
    """Tensors of the states so far, by name; saved and restored with the population."""

    states: dict[str, list[Tensor]] = field(default_factory=dict)

    def add(self, name: str, tensor: Tensor) -> None:
        self.states.setdefault(name, []).append(tensor.detach().clone())

    def stacked(self) -> dict[str, Tensor]:
        return {name: torch.stack(tensors, dim=1) for name, tensors in self.states.items()}


def ignore(epoch: int, epochs: int) -> None:
    """The `on_epoch` of who does not want to know."""


def record_trajectory(
    engine: Engine,
    population: Population,
    training: ImageSet,
    test: ImageSet,
    epochs: int,
    *,
    kl_weight: Callable[[int], float] = lambda epoch: 0.0,
    weight_states: Sequence[int] | None = None,
    prediction_states: Sequence[int] = (),
    resume: Resume | None = None,
    on_epoch: Callable[[int, int], None] = ignore,
) -> Trajectory:
    """Train `population` (in place) for `epochs` and record states 0 … epochs.

    The scores on the training images are, for state 0, those of an evaluation; for the others those of the epoch
    that led there, as training saw them (with dropout and noise, while the weights moved).

    Args:
        kl_weight: the weight of the KL term in epoch 1 … epochs.
        weight_states: states whose parameters are kept; all if None.
        prediction_states: states whose predictions on the test images are kept.
        resume: where to save the state after epochs, and to go on from if there is one.
        on_epoch: called after each epoch with the epoch and their number.
    """
    kept = list(range(epochs + 1)) if weight_states is None else sorted(weight_states)
    records, done = _load(resume, population)
    if done < 0:
        scores = engine.evaluate(population, training)
        _record(records, 0, engine, population, test, scores, kept, prediction_states)
        done = 0
    saver = _Saver(resume)
    for epoch in range(done + 1, epochs + 1):
        scores = engine.train_epoch(population, training, epoch, kl_weight(epoch))
        _record(records, epoch, engine, population, test, scores, kept, prediction_states)
        log.info(
            "epoch %d of %d, %d models: train loss %.4f, test accuracy %.2f %%, sparsity %.1f %%",
            epoch,
            epochs,
            len(population),
            scores.loss.mean(),
            100 * records.states["test_accuracy"][-1].mean(),
            100 * (layer_weights(population) * records.states["sparsity"][-1]).sum(1).mean(),
        )
        on_epoch(epoch, epochs)
        if epoch < epochs:
            saver.save(population, records, epoch)
    return Trajectory(list(range(epochs + 1)), kept, sorted(prediction_states), records.stacked())


def layer_weights(population: Population) -> Tensor:
    """Each layer's share of the network's weights, `[layers]`."""
    architecture = population.architecture
    return torch.tensor([layer.weights / architecture.weights for layer in architecture.layers])


def _record(records, state, engine, population, test, training_scores, weight_states, prediction_states) -> None:
    evaluation = engine.evaluate(population, test)
    sparsity = layer_sparsity(population.deterministic().parameters, population.architecture)
    values = (training_scores.accuracy, training_scores.loss, evaluation.accuracy, evaluation.loss, sparsity)
    for name, value in zip(SCORES, values, strict=True):
        records.add(name, value.float())
    if state in weight_states:
        for name, parameter in population.parameters.items():
            records.add(name, parameter)
    if state in prediction_states:
        records.add("predictions", evaluation.predictions)


class _Saver:
    """Saves a run's state after an epoch, seldom enough that saving takes a small share of the time."""

    def __init__(self, resume: Resume | None):
        self.resume = resume
        self.due = 0.0

    def save(self, population: Population, records: _Records, epoch: int) -> None:
        started = time.monotonic()
        if self.resume is None or started < self.due:
            return
        tensors = {f"parameters/{name}": tensor for name, tensor in population.parameters.items()}
        tensors |= {f"optimizer_state/{name}": tensor for name, tensor in population.optimizer_state.items()}
        tensors |= {f"records/{name}": tensor for name, tensor in records.stacked().items()}
        metadata = {"digest": self.resume.digest, "epoch": str(epoch), "steps": str(population.steps)}
        tensor_files.write_state(self.resume.path, tensors, metadata)
        finished = time.monotonic()
        self.due = finished + (finished - started) * (1 / _SAVING_SHARE - 1)


def _load(resume: Resume | None, population: Population) -> tuple[_Records, int]:
    """The records and the epoch that a killed run got to, its state put into `population`; -1 if there is none."""
    records = _Records()
    if resume is None or not resume.path.exists():
        return records, -1
    try:
        tensors, metadata = tensor_files.read(resume.path, "state")
    except InputError as error:
        log.warning("starting from epoch 0: %s", error)
        return records, -1
    if metadata.get("digest") != resume.digest:
        log.info("%s: from another configuration; starting from epoch 0", resume.path)
        return records, -1
    for key, tensor in tensors.items():
        kind, name = key.split("/")
        if kind == "records":
            records.states[name] = list(tensor.unbind(1))
        else:
            getattr(population, kind)[name] = tensor
    population.steps = int(metadata["steps"])
    log.info("%s: resuming after epoch %s", resume.path, metadata["epoch"])
    return records, int(metadata["epoch"])
