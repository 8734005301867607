"""The program's own safetensors files: each says of what kind it is and carries a checksum that its readers compare.

A kind is more than a label: `KINDS` says which metadata belong to a file's content, which the checksum covers beside
the tensors. What only says where a file comes from may change.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from zootwins.run.errors import InputError, one_line
from zootwins.storage.files import remedy, replacing

if TYPE_CHECKING:
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
    from safetensors.torch import save_file

    metadata = {"format": f"zootwins-{kind}", **description}
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata["checksum"] = _checksum(kind, metadata, sorted(contiguous.items()))
    with replacing(path) as temporary:
        save_file(contiguous, temporary, metadata=metadata | dict(provenance))
        _sort_header(temporary)


def _sort_header(path: Path) -> None:
    """Bring a file's metadata, which safetensors writes in a random order, into one: equal content, equal bytes.

    Snakemake compares inputs byte by byte to see whether one that was made again has changed.
    """
    with path.open("r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        if len(text) <= length:  # always, as long as both write JSON without blanks
            file.seek(8)
            file.write(text.ljust(length))


def check(path: str | Path, kind: str) -> tuple[dict[str, str], dict[str, tuple[int, ...]]]:
    """Read a file once, a tensor at a time, to compare it with the checksum that was written with it.

    Returns:
        Its metadata, and the shapes of its tensors by name.

    Raises:
        InputError: if the file is not a whole one of its kind as it was written; it names the file and the remedy.
    """
    after = "it is not used" if kind == "state" else remedy(path)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != f"zootwins-{kind}":
                raise InputError(f"{path}: a safetensors file, but none of this program's of kind {kind}; {after}")
            names = sorted(file.keys())
            found = _checksum(kind, metadata, ((name, file.get_tensor(name)) for name in names))
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
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


def _checksum(kind: str, metadata: Mapping[str, str], tensors: Iterable[tuple[str, Tensor]]) -> str:
    """Return blake2b of what describes a file and of its tensors, in the order of their names."""
    import torch

    checksum = blake2b(digest_size=16)
    for key in ("format", *KINDS[kind]):
        checksum.update(f"{key}={metadata.get(key)}\n".encode())
    for name, tensor in tensors:
        checksum.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        checksum.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)
    return checksum.hexdigest()
