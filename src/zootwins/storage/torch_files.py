"""Weights of unknown origin: tensors and containers are read, anything else is refused without being executed."""

import re
import zipfile
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from zootwins.run.errors import one_line

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
_OLD_CONTAINER = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the pickled number that torch < 1.6 begins its files with


class RefusedFileError(ValueError):
    """Why a file is refused, in one line."""


def load(content: bytes, allowed: Iterable[type | tuple[Callable, str]] = ()) -> Any:
    """Return what `torch.save` wrote, today's or before torch 1.6, or the tensors of a safetensors file.

    The unpickler makes only tensors, containers and the classes `allowed`; one that cannot be imported is a pair of
    what stands for it and its name in the file.

    Raises:
        RefusedFileError: if the file holds anything else, is damaged, or would unpack to more than its size.
    """
    try:
        if container(content) == "safetensors":
            return safetensors.torch.load(content)
        if container(content) != "torch < 1.6":
            _check_zip(content)
        with torch.serialization.safe_globals(list(allowed)):
            return torch.load(BytesIO(content), map_location="cpu", weights_only=True)
    except RefusedFileError:
        raise
    except Exception as error:  # the unpickler raises whatever it stumbles over
        raise RefusedFileError(_reason(error)) from None


def container(content: bytes) -> str:
    """Name the format of a file of weights: torch, torch < 1.6, or safetensors."""
    if content.startswith(b"\x80\x02" + _OLD_CONTAINER):
        return "torch < 1.6"
    return "safetensors" if content[8:9] == b"{" and not content.startswith(b"PK") else "torch"


def _check_zip(content: bytes) -> None:
    with zipfile.ZipFile(BytesIO(content)) as archive:
        if sum(record.file_size for record in archive.infolist()) > len(content):  # torch.save does not compress
            raise RefusedFileError("it unpacks to more than its size")
        if (damaged := archive.testzip()) is not None:  # torch.load does not look at checksums
            raise RefusedFileError(f"its record {damaged!r} fails its checksum")


def _reason(error: Exception) -> str:
    """Return what torch says is wrong, without its advice to trust the file after all."""
    text = str(error).strip() or type(error).__name__
    match = re.search(r"WeightsUnpickler error: (.+?)( was not an allowed|\. |$)", text, re.MULTILINE)
    return one_line(match[1] if match else text.splitlines()[0].split(". ")[0])[:120]


def as_floats(value: Any) -> Tensor:
    """Return a tensor of `load` as finite float32 of the same shape.

    Raises:
        RefusedFileError: if it is no ordinary tensor of floats, or one is not finite.
    """
    tensor = _plain(value, _FLOATS).float()
    if not torch.isfinite(tensor).all():
        raise RefusedFileError("NaN or infinite numbers")
    return tensor


def as_integers(value: Any) -> Tensor:
    """Return a tensor of `load` as int64 of the same shape.

    Raises:
        RefusedFileError: if it is no ordinary tensor of integers.
    """
    return _plain(value, _INTEGERS).long()


def _plain(value: Any, dtypes: tuple[torch.dtype, ...]) -> Tensor:
    """Refuse what has no numbers of its own: sparse, quantised and meta tensors, and views that repeat a few."""
    if type(value) not in (Tensor, nn.Parameter):
        raise RefusedFileError(f"a {type(value).__name__} where a tensor belongs")
    if value.layout != torch.strided or value.device.type != "cpu" or value.dtype not in dtypes:
        raise RefusedFileError(f"a tensor of an unexpected kind ({value.dtype}, {value.layout}, {value.device})")
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise RefusedFileError(f"a tensor of shape {list(value.shape)} that repeats fewer numbers")
    return value.detach()
