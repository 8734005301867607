"""Tensors of a whole zoo in a temporary file that is mapped into memory, since a zoo may be larger than memory."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import torch
from torch import Tensor

_ALIGNMENT = 64  # bytes


class MappedRows:
    """Tensors `[rows, …]` that are filled from the first row on.

    Args:
        folder: where the temporary file is; None: where the system says.
        rows: how many there may be.
        like: tensors by name, of any number of rows.
    """

    def __init__(self, folder: Path | None, rows: int, like: Mapping[str, Tensor]):
        self._tensors: dict[str, Tensor] = {}
        self._filled, start = 0, 0
        with TemporaryFile(dir=folder) as file:  # the mapping keeps it
            for name, tensor in like.items():
                array = np.memmap(
                    file, tensor.numpy().dtype, "w+" if start == 0 else "r+", start, (rows, *tensor.shape[1:])
                )
                self._tensors[name] = torch.from_numpy(array)
                start += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The rows that are filled."""
        return {name: tensor[: self._filled] for name, tensor in self._tensors.items()}

    def add(self, tensors: Mapping[str, Tensor]) -> None:
        """Fill the next rows."""
        number = {len(tensor) for tensor in tensors.values()}.pop()
        for name, tensor in tensors.items():
            self._tensors[name][self._filled : self._filled + number] = tensor
        self._filled += number


def keep_rows(tensors: Mapping[str, Tensor], kept: Tensor) -> dict[str, Tensor]:
    """Move the rows to keep to the front, in place, and return them.

    Args:
        tensors: by name, `[rows, …]`.
        kept: bool `[rows]`.
    """
    rows = kept.nonzero().flatten().tolist()
    for tensor in tensors.values():
        for place, row in enumerate(rows):
            if place != row:
                tensor[place] = tensor[row]
    return {name: tensor[: len(rows)] for name, tensor in tensors.items()}
