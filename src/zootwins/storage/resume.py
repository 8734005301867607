"""The state of a run that goes on, kept beside its results, so that a killed run goes on from there."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from safetensors import SafetensorError
from torch import Tensor

from zootwins.run.errors import InputError
from zootwins.storage import tensor_files

log = logging.getLogger(__name__)

_SAVING_SHARE = 0.05  # of the time spent on saving what a killed run would lose


@dataclass
class Resume:
    """Where a run keeps its state, and the digest of the configuration that it belongs to.

    Attributes:
        path: the file.
        digest: a state with another one is left alone.
        due: when to save again, on `time.monotonic`'s clock.
    """

    path: Path
    digest: str
    due: float = field(default=0.0, init=False)

    def of_engine(self, name: str) -> "Resume":
        """The same for one engine alone: engines agree to rounding only, so that no run is half of the one."""
        return replace(self, digest=f"{self.digest}, {name}")

    def save(self, epoch: int, state: Callable[[], Mapping[str, Tensor]]) -> None:
        """Save the state after an epoch, if it is time; where that fails, the run goes on without."""
        started = time.monotonic()
        if started < self.due:
            return
        try:
            tensor_files.write(self.path, "state", state(), {"digest": self.digest, "epoch": str(epoch)}, {})
        except (InputError, OSError, SafetensorError) as error:
            log.warning("the run goes on, but epoch %d was not saved to resume from: %s", epoch, error)
        finished = time.monotonic()
        self.due = finished + (finished - started) * (1 / _SAVING_SHARE - 1)

    def load(self) -> tuple[int, dict[str, Tensor]]:
        """The epoch that a killed run of this configuration got to, and its state; epoch 0 and nothing without one."""
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
        return int(metadata["epoch"]), tensors

    def discard(self) -> None:
        """Remove the saved state: the run's results are safe."""
        self.path.unlink(missing_ok=True)
