"""Training a population by a plan and recording its states: what training, sparsifiers and experiments share.

A run can be interrupted at any time: after an epoch its whole state is saved beside the results, and the next run of
the same configuration continues from there to the same tensors.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from zootwins.population import Engine, ImageData, ImageSet, Population, Scores, layer_sparsity
from zootwins.storage.resume import Resume
from zootwins.storage.shards import SCORES, Trajectory

log = logging.getLogger(__name__)

SPARSITY = "sparsity"  # float32 `[models, states, layers]`
PREDICTIONS = "predictions"  # on the test images, uint8 `[models, prediction states, samples]`


@dataclass(frozen=True)
class Moment:
    """A moment between two optimiser steps.

    Attributes:
        epoch: the epoch that is going on, or about to begin; 1 is the first.
        step: the number of its batches that are trained already; 0 at the epoch's boundary.
        steps: batches per epoch.
        epochs: of the whole training.
    """

    epoch: int
    step: int
    steps: int
    epochs: int

    @property
    def trained(self) -> float:
        """Epochs trained so far; a whole number at an epoch's boundary."""
        return self.epoch - 1 + self.step / self.steps

    @property
    def taken(self) -> int:
        """Optimiser steps taken so far."""
        return (self.epoch - 1) * self.steps + self.step


@dataclass(frozen=True)
class Plan:
    """How a population is trained: for how many epochs, and what changes on the way.

    Each function is called anew when an interrupted run resumes, so that it has to answer from its arguments alone.

    Attributes:
        epochs: their number; 1 is the first.
        prediction_states: the states whose predictions on the test images are kept.
        penalty: the weight of the penalty in an epoch, one for all models or float64 `[n]`: every n models in turn have
            these n weights, n being the twins of an original, or all models.
        lr_factors: what the learning rates are multiplied with in an epoch, float32 `[models, steps]`, or None.
        change: changes the population in place before every epoch, by `Population.set_masks` and the like.
        every: `change` is called after so many optimiser steps too, counted over the whole training; None: only before
            epochs.
        averaged_from: the first epoch after which parameters and buffers count in their mean (stochastic weight
            averaging);
            None: no mean is taken.
    """

    epochs: int
    prediction_states: Sequence[int] = ()
    penalty: Callable[[int], Tensor | float] | None = None
    lr_factors: Callable[[int], Tensor | None] | None = None
    change: Callable[[Moment, Population], None] | None = None
    every: int | None = None
    averaged_from: int | None = None


def kept_states(keep: str, epochs: int) -> list[int]:
    """Return the states whose weights are kept: of `all` epochs or of the `final` one."""
    return list(range(epochs + 1)) if keep == "all" else [epochs]


class Training:
    """A population that is trained by a plan, epoch by epoch, in place.

    Attributes:
        epoch: the last one that was trained.
    """

    def __init__(self, engine: Engine, population: Population, images: ImageSet, plan: Plan):
        self.engine, self.population, self.images, self.plan = engine, population, images, plan
        self.epoch = 0
        # of the parameters after the epochs that count in their mean
        averaged = {} if plan.averaged_from is None else population.tensors
        self._sums = {name: torch.zeros_like(tensor, dtype=torch.float64) for name, tensor in averaged.items()}
        self._averaged = 0

    def next_epoch(self) -> Scores:
        """Train the next epoch and return the scores that training saw."""
        self.epoch += 1
        plan, population, epoch = self.plan, self.population, self.epoch
        penalty = torch.as_tensor(0 if plan.penalty is None else plan.penalty(epoch), dtype=torch.float64).reshape(-1)
        steps = len(population.batches(self.images))
        parts = []
        for batches in self._parts(steps):
            if plan.change is not None:
                plan.change(Moment(epoch, batches.start, steps, plan.epochs), population)
            scores = self.engine.train_epoch(
                population,
                self.images,
                epoch,
                penalty=penalty.repeat(len(population) // len(penalty)),
                lr_factors=plan.lr_factors and plan.lr_factors(epoch),
                batches=batches,
            )
            parts.append((batches, scores))
        if plan.averaged_from is not None and epoch >= plan.averaged_from:
            self._averaged += 1
            for name, tensor in population.tensors.items():
                self._sums[name] += tensor
        return parts[0][1] if len(parts) == 1 else self._joined(parts)

    def _parts(self, steps: int) -> list[range]:
        """Return the epoch's batches in parts between changes."""
        before, every = (self.epoch - 1) * steps, self.plan.every
        starts = [step for step in range(steps) if step == 0 or (every and (before + step) % every == 0)]
        return [range(start, stop) for start, stop in pairwise([*starts, steps])]

    def _joined(self, parts: Sequence[tuple[range, Scores]]) -> Scores:
        """Return the scores over all parts of an epoch, each image counting once."""
        size, images = self.population.batch_size, len(self.images)
        shares = [(min(batches.stop * size, images) - batches.start * size) / images for batches, _ in parts]
        return Scores(
            sum(share * scores.loss for share, (_, scores) in zip(shares, parts, strict=True)),
            sum(share * scores.accuracy for share, (_, scores) in zip(shares, parts, strict=True)),
        )

    def mean(self) -> dict[str, Tensor]:
        """Return the mean of the parameters after the epochs from `plan.averaged_from` on; NaN before these."""
        tensors = self.population.tensors
        return {name: (total / self._averaged).to(tensors[name].dtype) for name, total in self._sums.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return all that training resumes from."""
        average = {"epochs": self._averaged, "sums": self._sums}
        return {"epoch": self.epoch, "population": self.population.state_dict(), "average": average}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Return to a state that `state_dict` gave."""
        self.epoch, average = state["epoch"], state["average"]
        self.population.load_state_dict(state["population"])
        self._sums, self._averaged = dict(average["sums"]), average["epochs"]


class _Records:
    """Tensors of the states so far, by name."""

    def __init__(self) -> None:
        self.states: dict[str, list[Tensor]] = {}

    def add(self, name: str, tensor: Tensor) -> None:
        self.states.setdefault(name, []).append(tensor.detach().clone())

    def stacked(self) -> dict[str, Tensor]:
        return {name: torch.stack(tensors, dim=1) for name, tensors in self.states.items()}

    def restore(self, stacked: Mapping[str, Tensor]) -> None:
        self.states = {name: list(tensor.unbind(1)) for name, tensor in stacked.items()}


def ignore(epoch: int, epochs: int) -> None:
    """Do nothing: the default of `on_epoch`."""


def record_trajectory(
    engine: Engine,
    population: Population,
    data: ImageData,
    plan: Plan,
    *,
    weight_states: Sequence[int] | None = None,
    resume: Resume | None = None,
    on_epoch: Callable[[int, int], None] = ignore,
) -> Trajectory:
    """Train `population` (in place) by `plan` and record states 0 … epochs.

    The scores on the training images are, for state 0, those of an evaluation; for the others those of the epoch
    that led there, as training saw them (with dropout and noise, while the weights moved).
    `eval_mode_train_accuracy` is an evaluation's at both ends.

    Args:
        weight_states: states whose parameters are kept; all if None.
        resume: where to save the state after epochs, and to go on from if there is one.
        on_epoch: called after each epoch with the epoch and their number.
    """
    epochs = plan.epochs
    kept = list(range(epochs + 1)) if weight_states is None else sorted(weight_states)
    resume = resume and resume.of_engine(engine.name)
    saved = resume.load()[1] if resume else {}
    training, records = Training(engine, population, data.train, plan), _Records()
    recorder = _Recorder(engine, population, data, records, kept, plan)
    if saved:
        training.load_state_dict(saved["training"])
        records.restore(saved["records"])
        log.info("%s: resuming after epoch %d", resume.path, training.epoch)
    else:
        recorder.record(0, engine.evaluate(population, data.train))
    for epoch in range(training.epoch + 1, epochs + 1):
        recorder.record(epoch, training.next_epoch())
        log.info("epoch %d of %d, %d models: %s", epoch, epochs, len(population), recorder.summary())
        on_epoch(epoch, epochs)
        if resume and epoch < epochs:
            resume.save(epoch, lambda: {"training": training.state_dict(), "records": records.stacked()})
    return Trajectory(list(range(epochs + 1)), kept, sorted(plan.prediction_states), records.stacked())


def evaluate_state(engine: Engine, population: Population, data: ImageData) -> dict[str, Tensor]:
    """Return what is recorded of a state: its evaluation on validation and test images, each `[models, …]`.

    The losses of a network whose weights are not finite are NaN, whatever its activations and pooling make of them.
    """
    evaluated = population.deterministic().parameters
    finite = torch.stack([tensor.flatten(1).isfinite().all(1) for tensor in evaluated.values()]).all(0).cpu()
    recorded = {}
    for split in ("validation", "test"):
        evaluation = engine.evaluate(population, getattr(data, split))
        recorded[f"{split}_accuracy"] = evaluation.accuracy.double()
        recorded[f"{split}_loss"] = evaluation.loss.double().masked_fill(~finite, torch.nan)
    sparsity = layer_sparsity(evaluated, population.architecture)
    return recorded | {SPARSITY: sparsity.float(), PREDICTIONS: evaluation.predictions}


@dataclass(frozen=True)
class _Recorder:
    """Evaluates a population and records its states."""

    engine: Engine
    population: Population
    data: ImageData
    records: _Records
    weight_states: Sequence[int]
    plan: Plan

    def record(self, state: int, training: Scores) -> None:
        """Note a state that an epoch with these scores led to; for state 0 they are an evaluation's."""
        population = self.population
        if state == 0:
            clean = training.accuracy
        elif state == self.plan.epochs:
            clean = self.engine.evaluate(population, self.data.train).accuracy
        else:
            clean = torch.full((len(population),), torch.nan)
        evaluated = evaluate_state(self.engine, population, self.data)
        trained = {"train_accuracy": training.accuracy, "train_loss": training.loss, "eval_mode_train_accuracy": clean}
        for name in SCORES:
            self.records.add(name, (trained | evaluated)[name].double())
        self.records.add(SPARSITY, evaluated[SPARSITY])
        if state in self.weight_states:
            for name, tensor in population.tensors.items():
                self.records.add(name, tensor)
        if state in self.plan.prediction_states:
            self.records.add(PREDICTIONS, evaluated[PREDICTIONS])

    def summary(self) -> str:
        """Return means over the models of the last state, of the loss where it is finite, and how many diverged."""
        last = {name: self.records.states[name][-1] for name in (*SCORES, SPARSITY)}
        sparsity = last[SPARSITY].double() @ self.population.architecture.weight_shares
        finite = last["train_loss"].isfinite()
        loss, accuracy = last["train_loss"][finite].mean(), 100 * last["test_accuracy"].mean()
        more = f", {(~finite).sum()} diverged" if not finite.all() else ""
        return f"train loss {loss:.4f}, test accuracy {accuracy:.2f} %, sparsity {100 * sparsity.mean():.1f} %{more}"
