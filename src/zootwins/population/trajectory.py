"""Training a population for some epochs and recording every state: what training and all methods have in common.

A run can be killed at any time: after an epoch its whole state is saved beside the results, and the next run of the
same configuration goes on from there to the same tensors.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from zootwins.population import Engine, ImageData, Population, Scores, layer_sparsity
from zootwins.run.errors import InputError
from zootwins.storage import tensor_files
from zootwins.storage.shards import SCORES, Trajectory

log = logging.getLogger(__name__)

_SAVING_SHARE = 0.05  # of the time spent on saving what a killed run would lose
SPARSITY = "sparsity"  # float32 `[models, states, layers]`
PREDICTIONS = "predictions"  # on the test images, uint8 `[models, prediction states, samples]`


@dataclass(frozen=True)
class Plan:
    """How a population is trained: for how many epochs, and what changes at their boundaries.

    Each function is asked anew when a killed run goes on, so that it has to answer from its arguments alone.

    Attributes:
        epochs: their number; 1 is the first.
        prediction_states: the states whose predictions on the test images are kept.
        penalty: the weight of the penalty in an epoch, one for all models or float64 `[n]`: every n models in turn have
            these n weights, n being the twins of an original, or all models.
        lr_factors: what the learning rates are multiplied with in an epoch, float32 `[models, steps]`, or None.
        masks: new masks before an epoch, by name of the weights, or None to leave them as they are; see
            `Population.set_masks`.
    """

    epochs: int
    prediction_states: Sequence[int] = ()
    penalty: Callable[[int], Tensor | float] | None = None
    lr_factors: Callable[[int], Tensor | None] | None = None
    masks: Callable[[int, Population], Mapping[str, Tensor] | None] | None = None


@dataclass(frozen=True)
class Resume:
    """Where a run keeps its state while it is going on, and the digest of the configuration it belongs to."""

    path: Path
    digest: str

    def discard(self) -> None:
        """Remove the saved state: the run's results are safe."""
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
    data: ImageData,
    plan: Plan,
    *,
    weight_states: Sequence[int] | None = None,
    resume: Resume | None = None,
    on_epoch: Callable[[int, int], None] = ignore,
) -> Trajectory:
    """Train `population` (in place) by `plan` and record states 0 … epochs.

    The scores on the training images are, for state 0, those of an evaluation; for the others those of the epoch
    that led there, as training saw them (with dropout and noise, while the weights moved). `clean_train_accuracy` is
    an evaluation's at both ends.

    Args:
        weight_states: states whose parameters are kept; all if None.
        resume: where to save the state after epochs, and to go on from if there is one.
        on_epoch: called after each epoch with the epoch and their number.
    """
    epochs = plan.epochs
    kept = list(range(epochs + 1)) if weight_states is None else sorted(weight_states)
    saved = None if resume is None else _SavedState(resume, engine)
    records, done = (_Records(), None) if saved is None else saved.load(population)
    recorder = _Recorder(engine, population, data, records, kept, plan)
    if done is None:
        recorder.record(0, engine.evaluate(population, data.train))
        done = 0
    for epoch in range(done + 1, epochs + 1):
        recorder.record(epoch, _train_epoch(engine, population, data, plan, epoch))
        log.info("epoch %d of %d, %d models: %s", epoch, epochs, len(population), recorder.summary())
        on_epoch(epoch, epochs)
        if epoch < epochs and saved is not None:
            saved.save(population, records, epoch)
    return Trajectory(list(range(epochs + 1)), kept, sorted(plan.prediction_states), records.stacked())


def _train_epoch(engine: Engine, population: Population, data: ImageData, plan: Plan, epoch: int) -> Scores:
    masks = plan.masks and plan.masks(epoch, population)
    if masks is not None:
        population.set_masks(masks)
    penalty = torch.as_tensor(0 if plan.penalty is None else plan.penalty(epoch), dtype=torch.float64).reshape(-1)
    return engine.train_epoch(
        population,
        data.train,
        epoch,
        penalty=penalty.repeat(len(population) // len(penalty)),
        lr_factors=plan.lr_factors and plan.lr_factors(epoch),
    )


def evaluate_state(engine: Engine, population: Population, data: ImageData) -> dict[str, Tensor]:
    """What is recorded of a state by evaluating it on validation and test images, each `[models, …]`."""
    recorded = {}
    for split in ("validation", "test"):
        evaluation = engine.evaluate(population, getattr(data, split))
        recorded[f"{split}_accuracy"] = evaluation.accuracy.double()
        recorded[f"{split}_loss"] = evaluation.loss.double()
    sparsity = layer_sparsity(population.deterministic().parameters, population.architecture)
    return recorded | {SPARSITY: sparsity.float(), PREDICTIONS: evaluation.predictions}


@dataclass(frozen=True)
class _Recorder:
    """Evaluates a population and notes what is to be known of its states."""

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
        trained = {"train_accuracy": training.accuracy, "train_loss": training.loss, "clean_train_accuracy": clean}
        for name in SCORES:
            self.records.add(name, (trained | evaluated)[name].double())
        self.records.add(SPARSITY, evaluated[SPARSITY])
        if state in self.weight_states:
            for name, parameter in population.parameters.items():
                self.records.add(name, parameter)
        if state in self.plan.prediction_states:
            self.records.add(PREDICTIONS, evaluated[PREDICTIONS])

    def summary(self) -> str:
        """Means over the models of the last state."""
        last = {name: self.records.states[name][-1] for name in (*SCORES, SPARSITY)}
        sparsity = last[SPARSITY].double() @ self.population.architecture.weight_shares
        return (
            f"train loss {last['train_loss'].mean():.4f}, test accuracy {100 * last['test_accuracy'].mean():.2f} %, "
            f"sparsity {100 * sparsity.mean():.1f} %"
        )


class _SavedState:
    """A run's state on disk, saved seldom enough that it takes a small share of the time.

    It belongs to one configuration and one engine, since engines agree to rounding only.
    """

    def __init__(self, resume: Resume, engine: Engine):
        self.path, self.digest = resume.path, f"{resume.digest}, {engine.name}"
        self.due = 0.0

    def save(self, population: Population, records: _Records, epoch: int) -> None:
        """Save the state after an epoch, if it is time."""
        started = time.monotonic()
        if started < self.due:
            return
        kinds = {
            "parameters": population.parameters,
            "optimizer_state": population.optimizer_state,
            "masks": population.masks,
            "shadows": population.shadows,
            "records": records.stacked(),
        }
        tensors = {f"{kind}/{name}": tensor for kind, named in kinds.items() for name, tensor in named.items()}
        tensor_files.write_state(self.path, tensors, {"digest": self.digest, "epoch": str(epoch)})
        finished = time.monotonic()
        self.due = finished + (finished - started) * (1 / _SAVING_SHARE - 1)

    def load(self, population: Population) -> tuple[_Records, int | None]:
        """The records and the epoch that a killed run got to, its state put into `population`; None without one."""
        records = _Records()
        if not self.path.exists():
            return records, None
        try:
            tensors, metadata = tensor_files.read(self.path, "state")
        except InputError as error:
            log.warning("starting from epoch 0: %s", error)
            return records, None
        if metadata.get("digest") != self.digest:
            log.info("%s: from another configuration or engine; starting from epoch 0", self.path)
            return records, None
        kinds: dict[str, dict[str, Tensor]] = {
            kind: {} for kind in ("parameters", "optimizer_state", "masks", "shadows", "records")
        }
        for key, tensor in tensors.items():
            kind, name = key.split("/")
            kinds[kind][name] = tensor
        records.states = {name: list(tensor.unbind(1)) for name, tensor in kinds.pop("records").items()}
        for kind, named in kinds.items():
            setattr(population, kind, named)
        log.info("%s: resuming after epoch %s", self.path, metadata["epoch"])
        return records, int(metadata["epoch"])
