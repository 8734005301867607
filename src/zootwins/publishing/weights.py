"""Weights of a release: few safetensors files with tensors `[rows, …]`, since hubs limit the number of files."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import save_file
from torch import Tensor

from zootwins.publishing.networks import Networks

BYTES_PER_FILE = 256 * 2**20  # a reader maps a file; hubs advise against many small ones
PATTERN = "weights-*.safetensors"


class WeightFiles:
    """Collects networks and writes them in files of about `BYTES_PER_FILE`; use as a context, then read `rows`.

    Attributes:
        rows: the networks' rows with `file`, the name of the file, and `row`, the position in its tensors.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.rows: list[pd.DataFrame] = []
        self._waiting: list[Networks] = []
        self._files = 0

    def add(self, networks: Networks) -> None:
        """Append networks; writes a file whenever enough are waiting."""
        self._waiting.append(networks)
        if sum(_bytes(one.tensors) for one in self._waiting) >= BYTES_PER_FILE:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
        if not self._waiting:
            return
        name = f"weights-{self._files:05d}.safetensors"
        names = list(self._waiting[0].tensors)
        tensors = {key: torch.cat([one.tensors[key] for one in self._waiting]).contiguous() for key in names}
        save_file(tensors, self.folder / name, metadata={"format": "pt"})
        (self.folder / name).chmod(0o644)  # safetensors writes files for their owner alone
        rows = pd.concat([one.rows for one in self._waiting], ignore_index=True)
        self.rows.append(rows.assign(file=name, row=range(len(rows))))
        self._files += 1
        self._waiting = []

    def __enter__(self) -> "WeightFiles":
        return self

    def __exit__(self, kind, value, traceback) -> None:
        if kind is None:
            self.flush()


def _bytes(tensors: Mapping[str, Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def weight_files(folder: Path) -> Iterator[Path]:
    """Yield the weight files of a release in order."""
    yield from sorted(folder.glob(PATTERN))
