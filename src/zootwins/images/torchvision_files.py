"""torchvision's data sets: where their files are, how they are opened, and the library itself.

This is the only module that imports torchvision.
"""

import fcntl
import gzip
import inspect
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from zootwins.run.errors import InputError, one_line
from zootwins.storage.files import replacing

_IDX = "{train,t10k}-{images-idx3,labels-idx1}-ubyte"
FILES = {  # where torchvision looks for a data set's files, below the data folder
    "MNIST": f"MNIST/raw/{_IDX}",
    "FashionMNIST": f"FashionMNIST/raw/{_IDX}",
    "SVHN": "{train,test}_32x32.mat",
    "USPS": "{usps,usps.t}.bz2",
    "CIFAR10": "cifar-10-batches-py/{data_batch_1 … 5,test_batch,batches.meta}",
    "STL10": "stl10_binary/{train,test}_{X,y}.bin",
}


def import_torchvision():
    """Import torchvision; with a CPU build of torch, after the schemas of two operators that it wants."""
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        for operator in ("nms", "qnms"):
            torch.library.define(f"torchvision::{operator}", "(Tensor dets, Tensor scores, float t) -> Tensor")
        import torchvision
    return torchvision


def open_torchvision(
    name: str, arguments: Mapping[str, Any], folder: Path, *, bundled: bool = False
) -> dict[str, Sequence]:
    """Open the parts of a torchvision data set by split, as sequences of images (PIL) and labels.

    Args:
        name: of the class in torchvision.datasets.
        arguments: more arguments of the class.
        folder: that the files are in; what is missing is downloaded into it.
        bundled: whether nothing is to be downloaded.

    Raises:
        InputError: if there is no such class, or its files are neither there nor to be had.
    """
    kind = getattr(import_torchvision().datasets, name, None)
    if not inspect.isclass(kind):
        raise InputError(f"datasets: torchvision has no data set {name!r}; see torchvision.datasets for their names")
    parameters = inspect.signature(kind).parameters
    splits = _splits(kind, parameters, arguments)
    try:
        downloads = "download" in parameters or any(one.kind is one.VAR_KEYWORD for one in parameters.values())
        if bundled or not downloads:
            return {split: kind(folder, **arguments, **each) for split, each in splits.items()}
        with _alone_in(folder):
            _unpack(folder / name / "raw")
            try:
                return {split: kind(folder, **arguments, **each) for split, each in splits.items()}
            except (RuntimeError, FileNotFoundError):  # what is missing, or fails torchvision's checksum
                return _downloaded(kind, folder, arguments, splits)
    except Exception as error:  # torchvision's readers raise whatever they stumble over
        reason = one_line(error) or type(error).__name__
        got = "is not there, or not whole" if bundled else "is not there and could not be downloaded"
        where = f"put its files there as {FILES[name]}" if name in FILES else "put its files there as torchvision does"
        raise InputError(
            f"{folder}: torchvision's {name} {got} ({reason}); {where}, or set data_dir to the folder that has them so"
        ) from None


def _splits(kind: type, parameters: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the arguments of each split; a data set without any is divided by the entry's `split`."""
    if "split" in parameters and "split" not in arguments:
        splits = {"train": {"split": "train"}, "test": {"split": "test"}}
        return splits | ({"validation": {"split": "val"}} if _has_validation(kind) else {})
    if "train" in parameters or issubclass(kind, import_torchvision().datasets.MNIST):
        return {"train": {"train": True}, "test": {"train": False}}
    return {"train": {}}


def _has_validation(kind: type) -> bool:
    """Whether a class has a split `val`, as its documentation lists it."""
    return '"val"' in (kind.__doc__ or "") or "``val``" in (kind.__doc__ or "")


def _unpack(folder: Path) -> None:
    """Unpack what is there as .gz alone: torchvision does so only after a download."""
    for packed in sorted(folder.glob("*.gz")):
        plain = packed.with_suffix("")
        if not plain.exists() and os.access(folder, os.W_OK):
            with replacing(plain) as temporary, gzip.open(packed) as source, temporary.open("wb") as target:
                shutil.copyfileobj(source, target)


def _downloaded(kind: Callable, folder: Path, arguments: Mapping[str, Any], splits: Mapping[str, dict]) -> dict:
    """Download the splits, and once more where the network failed, since torchvision does not try again."""
    try:
        return {split: kind(folder, **arguments, **each, download=True) for split, each in splits.items()}
    except (OSError, RuntimeError):  # torchvision's own when all mirrors fail is a RuntimeError
        return {split: kind(folder, **arguments, **each, download=True) for split, each in splits.items()}


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Lock a data folder against other jobs: zoos share data sets, and torchvision writes them in place."""
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):  # then no process writes
        yield
        return
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
