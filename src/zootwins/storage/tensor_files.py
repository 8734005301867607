"""The program's own safetensors files: each says of what kind it is and carries a checksum that its readers compare.

A kind is more than a label: `KINDS` says which metadata belong to a file's content, which the checksum covers beside
the tensors. What only says where a file comes from may change.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from safetensors import SafetensorError, safe_open

from zootwins.run.errors import InputError, one_line
from zootwins.storage.files import remedy, replacing

if TYPE_CHECKING:
    import torch
    from torch import Tensor

KINDS = {
    "shard": ("method", "models", "index", "states", "weight_states", "prediction_states", "axes"),
    "small": ("method", "models", "index", "axes", "epoch", "networks", "places"),  # networks without their channels
    "originals": (),
    "initial": (),
    "predictions": (),
    "dataset": ("mean", "std"),
    "shifted": ("mean", "std"),
    "representation": ("architecture", "settings", "threshold", "split"),
    "state": ("digest", "epoch", "content"),  # of a run that can be resumed
}

PIECE = 4 << 20  # bytes read at a time to compare a checksum


def write(
    path: str | Path,
    kind: str,
    tensors: Mapping[str, Tensor],
    description: Mapping[str, str],
    provenance: Mapping[str, str],
) -> None:
    """Write a file, whole or not at all.

    Args:
        path: the file.
        kind: one of `KINDS`.
        tensors: by name.
        description: the metadata that `KINDS` lists.
        provenance: further metadata, not covered by the checksum.
    """
    metadata = {"format": f"zootwins-{kind}", **description}
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata["checksum"] = _checksum(
        kind,
        metadata,
        ((name, each.dtype, each.shape, [_bytes(each)]) for name, each in sorted(contiguous.items())),
    )
    header, names = _header(contiguous, metadata | dict(provenance))
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for name in names:  # as they are, without a copy of all: safetensors' own writer makes one
            file.write(_bytes(contiguous[name]))


def _header(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> tuple[bytes, list[str]]:
    """Return a file's header and the order of its tensors, both as safetensors has them.

    Metadata, which safetensors writes in a random order, are sorted: equal content, equal bytes. Snakemake compares
    inputs byte by byte to see whether one that was made again has changed.
    """
    import torch
    from safetensors.torch import save

    empty = save({name: torch.empty(0, dtype=tensor.dtype) for name, tensor in tensors.items()})
    layout = json.loads(empty[8 : 8 + int.from_bytes(empty[:8], "little")])
    header, start = {"__metadata__": dict(sorted(metadata.items()))}, 0
    for name, entry in layout.items():
        stop = start + tensors[name].nbytes
        header[name] = entry | {"shape": list(tensors[name].shape), "data_offsets": [start, stop]}
        start = stop
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % 8), list(layout)


def check(path: str | Path, kind: str) -> tuple[dict[str, str], dict[str, tuple[int, ...]]]:
    """Read a file once, some bytes at a time, to compare it with the checksum that was written with it.

    Returns:
        Its metadata, and the shapes of its tensors by name.

    Raises:
        InputError: if the file is not a whole one of its kind as it was written; it names the file and the remedy.
    """
    after = "it is not used" if kind == "state" else remedy(path)
    try:
        with safe_open(path, "pt") as file, Path(path).open("rb") as content:
            metadata = file.metadata() or {}
            if metadata.get("format") != f"zootwins-{kind}":
                raise InputError(f"{path}: a safetensors file, but none of this program's of kind {kind}; {after}")
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in sorted(file.keys())}
            places = _places(content)
            parts = (
                (name, dtype_of(file, name), shape, _read(content, *places[name])) for name, shape in shapes.items()
            )
            found = _checksum(kind, metadata, parts)
    except FileNotFoundError:
        raise InputError(f"{path}: not there; {after}") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a readable safetensors file ({one_line(error)}); {after}") from None
    if found != metadata.get("checksum"):
        wrong = "does not match" if "checksum" in metadata else "is missing"
        raise InputError(f"{path}: damaged (its checksum {wrong}); {after}")
    return metadata, shapes


def read(path: str | Path, kind: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read and check the tensors and metadata of a file.

    Raises:
        InputError: as `check`.
    """
    metadata, shapes = check(path, kind)
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in shapes}, metadata


def dtype_of(file: safe_open, name: str) -> torch.dtype:
    """Return the type of a tensor of an open file, which is not read."""
    stored = file.get_slice(name)
    return (stored[:0] if stored.get_shape() else file.get_tensor(name)).dtype


def _places(file: BinaryIO) -> dict[str, tuple[int, int]]:
    """Return where the bytes of each tensor of a file start and stop."""
    length = int.from_bytes(file.read(8), "little")
    header = json.loads(file.read(length))
    offsets = {name: entry["data_offsets"] for name, entry in header.items() if name != "__metadata__"}
    return {name: (8 + length + start, 8 + length + stop) for name, (start, stop) in offsets.items()}


def _read(file: BinaryIO, start: int, stop: int) -> Iterator[bytes]:
    """Yield the bytes of a part of a file, piece by piece."""
    file.seek(start)
    while start < stop and (piece := file.read(min(PIECE, stop - start))):
        start += len(piece)
        yield piece


def _bytes(tensor: Tensor) -> memoryview:
    """Return the bytes of a contiguous tensor, which are not copied."""
    import torch

    return tensor.view(-1).view(torch.uint8).numpy().data


def _checksum(
    kind: str,
    metadata: Mapping[str, str],
    tensors: Iterable[tuple[str, torch.dtype, Sequence[int], Iterable[bytes | memoryview]]],
) -> str:
    """Return blake2b of what describes a file and of its tensors (name, type, shape, bytes), in the order of names."""
    checksum = blake2b(digest_size=16)
    for key in ("format", *KINDS[kind]):
        checksum.update(f"{key}={metadata.get(key)}\n".encode())
    for name, dtype, shape, pieces in tensors:
        checksum.update(f"{name} {dtype} {list(shape)}\n".encode())
        for piece in pieces:
            checksum.update(piece)
    return checksum.hexdigest()
