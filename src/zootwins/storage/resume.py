"""Checkpoints from which an interrupted job resumes, kept beside its results."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor

from zootwins.run.errors import InputError
from zootwins.storage import tensor_files

log = logging.getLogger(__name__)

_SAVING_SHARE = 0.05  # of the time spent on saving what a killed run would lose


@dataclass
class Resume:
    """Saves and loads the state of a job, if it is of the same configuration.

    A state is a nested state dict, as PyTorch's modules and optimisers have: mappings, lists and tuples of tensors,
    numbers, texts, booleans and None.

    Attributes:
        path: the file.
        digest: of the configuration; a state with another one is ignored.
        due: when to save again, on `time.monotonic`'s clock.
    """

    path: Path
    digest: str
    due: float = field(default=0.0, init=False)

    def of_engine(self, name: str) -> "Resume":
        """Return the same for one engine alone: engines agree to rounding only, and a run is not to mix them."""
        return replace(self, digest=f"{self.digest}, {name}")

    def save(self, epoch: int, state: Callable[[], Mapping[str, Any]]) -> None:
        """Save the state after an epoch, if it is time; where that fails, the job continues without.

        Raises:
            TypeError: if the state holds anything else than the above.
        """
        started = time.monotonic()
        if started < self.due:
            return
        tensors: dict[str, Tensor] = {}
        content = json.dumps(_packed(state(), tensors))
        metadata = {"digest": self.digest, "epoch": str(epoch), "content": content}
        try:
            tensor_files.write(self.path, "state", tensors, metadata, {})
        except (InputError, OSError, SafetensorError) as error:
            log.warning("the run continues, but epoch %d was not saved to resume from: %s", epoch, error)
        finished = time.monotonic()
        self.due = finished + (finished - started) * (1 / _SAVING_SHARE - 1)

    def load(self) -> tuple[int, dict[str, Any]]:
        """Return the last saved epoch of this configuration and its state; epoch 0 and an empty one without any."""
        if not self.path.exists():
            return 0, {}
        try:
            tensors, metadata = tensor_files.read(self.path, "state")
        except InputError as error:
            log.warning("starting from the beginning: %s", error)
            return 0, {}
        if metadata.get("digest") != self.digest:
            log.info("%s: from another configuration or engine; starting from the beginning", self.path)
            return 0, {}
        return int(metadata["epoch"]), _unpacked(json.loads(metadata["content"]), tensors)

    def discard(self) -> None:
        """Remove the saved state: the run's results are safe."""
        self.path.unlink(missing_ok=True)


class Parts:
    """The parts of a job, one after the other: saved are the results of finished ones, and the state of the last.

    Args:
        resume: of the job; None: nothing is saved.

    Attributes:
        finished: the results of finished parts, by their names; each is a state as `Resume` saves it.
    """

    def __init__(self, resume: Resume | None):
        self.resume = resume
        self.epoch, saved = resume.load() if resume else (0, {})
        self.finished: dict[str, Any] = saved.get("finished", {})
        self.running: dict[str, Mapping[str, Any]] = saved.get("running", {})  # one at most

    def part(self, name: str) -> "Part | None":
        """Return where a part saves its state and resumes from; None where nothing is saved."""
        return Part(self.resume.path, self.resume.digest, self, name) if self.resume else None

    def finish(self, name: str, result: Any) -> None:
        """Add the result of a part, and save it if it is time."""
        self.finished[name] = result
        if self.resume:
            self.resume.save(0, lambda: {"finished": self.finished, "running": {}})


@dataclass
class Part(Resume):
    """Saves and loads the state of a part of a job."""

    parts: Parts
    name: str

    def of_engine(self, name: str) -> "Part":
        return Part(self.path, self.digest, self.parts, f"{self.name}, {name}")

    def save(self, epoch: int, state: Callable[[], Mapping[str, Any]]) -> None:
        finished = self.parts.finished
        self.parts.resume.save(epoch, lambda: {"finished": finished, "running": {self.name: state()}})

    def load(self) -> tuple[int, dict[str, Any]]:
        running = self.parts.running.pop(self.name, None)
        return (0, {}) if running is None else (self.parts.epoch, dict(running))


def _packed(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Return a state as JSON has it, its tensors moved to `tensors` under running numbers."""
    if isinstance(value, Tensor):
        tensors[name := str(len(tensors))] = value.detach().clone()  # a clone: files refuse tensors that share memory
        return {"tensor": name}
    if isinstance(value, Mapping):  # as pairs, since keys may be numbers
        return {"mapping": [[key, _packed(part, tensors)] for key, part in value.items()]}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_packed(part, tensors) for part in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a state to resume from cannot hold a {type(value).__name__}")


def _unpacked(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Return the state that `_packed` took apart."""
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "mapping":
        return {key: _unpacked(part, tensors) for key, part in content}
    parts = [_unpacked(part, tensors) for part in content]
    return tuple(parts) if kind == "tuple" else parts
