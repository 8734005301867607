"""Data sets pickled by public training code, as plain tensors: torchvision's with transforms, subsets, own classes.

The unpickler is given stand-ins, which have names and no code; what the files say of images, labels, indices and
normalisation is then read from their attributes.
"""

import _codecs
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from zootwins.storage.torch_files import RefusedFileError

_TORCHVISION = "torchvision.datasets."
_TRANSFORMS = "torchvision.transforms.transforms."
_AUGMENTATIONS = ("RandomCrop", "RandomHorizontalFlip", "RandomRotation", "RandomAffine")
_EXACT = ("Compose", "ToTensor", "Normalize")


class StandIn:
    """An object of a class that is not loaded: its attributes alone."""

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        if not isinstance(state, dict):
            raise RefusedFileError(f"a {type(self).__name__} holds a {type(state).__name__}")
        self.__dict__.update(state)


def _stand_in(name: str) -> tuple[type, str]:
    return type(name.rpartition(".")[2], (StandIn,), {}), name


_STAND_INS = [
    _stand_in(name)
    for name in (
        "__main__.CachedDataset",
        "torch.utils.data.dataset.Subset",
        *(f"{_TORCHVISION}mnist.{name}" for name in ("MNIST", "FashionMNIST", "KMNIST")),
        *(f"{_TORCHVISION}cifar.{name}" for name in ("CIFAR10", "CIFAR100")),
        *(f"{_TORCHVISION}{name}" for name in ("svhn.SVHN", "usps.USPS", "stl10.STL10", "vision.StandardTransform")),
        *(_TRANSFORMS + name for name in (*_EXACT, *_AUGMENTATIONS)),
    )
]
_NUMPY = [  # what arrays of numbers are pickled with, by the names of NumPy 1 and 2
    *((np._core.multiarray._reconstruct, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    np.ndarray,
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("u1", "i4", "i8", "f4", "f8")),
    _codecs.encode,
]
ALLOWED = [TensorDataset, *_STAND_INS, *_NUMPY]


def plain(part: object, key: str) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor] | None, list[str]]:
    """Return images and labels of a part of a data set, their normalisation, and augmentations that are left out.

    Args:
        part: a TensorDataset, a pair of tensors, or a stand-in.
        key: what it is called, for messages.

    Returns:
        Images and labels as they are stored; mean and standard deviation of pixels in 0 … 1, by which uint8 images are
        still to be normalised, or None; names of the augmentations.

    Raises:
        RefusedFileError: if it is none of these.
    """
    if isinstance(part, StandIn):
        return _of_stand_in(part, key)
    tensors = vars(part).get("tensors") if isinstance(part, TensorDataset) else part
    if not isinstance(tensors, tuple | list) or len(tensors) != 2 or not all(isinstance(t, Tensor) for t in tensors):
        raise RefusedFileError(f"{key} is no TensorDataset of images and labels")
    return *tensors, None, []


def _of_stand_in(part: StandIn, key: str) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor] | None, list[str]]:
    values = vars(part)
    if "indices" in values:
        images, labels, normalisation, augmentations = plain(values.get("dataset"), key)
        rows = _tensor(values["indices"], f"{key}.indices").long()
        if rows.ndim != 1 or len(rows) == 0 or rows.min() < 0 or rows.max() >= min(len(images), len(labels)):
            raise RefusedFileError(f"{key} has indices that are not of its images")
        return images[rows], labels[rows], normalisation, augmentations
    labels = next((values[name] for name in ("targets", "labels") if values.get(name) is not None), None)
    if values.get("data") is None or labels is None:
        raise RefusedFileError(f"{key} is a {type(part).__name__} without data and targets")
    images = _tensor(values["data"], f"{key}.data")
    if images.ndim == 4 and images.shape[-1] in (1, 3) and images.shape[1] not in (1, 3):
        images = images.permute(0, 3, 1, 2).contiguous()  # of pixels as PIL has them
    if images.ndim == 3:
        images = images[:, None]
    steps = list(_steps(values.get("transform")))
    if other := next((step for step in steps if type(step).__name__ not in (*_EXACT, *_AUGMENTATIONS)), None):
        raise RefusedFileError(f"{key} has the transform {type(other).__name__}, which is not applied here")
    augmentations = [type(step).__name__ for step in steps if type(step).__name__ in _AUGMENTATIONS]
    return images, _tensor(labels, f"{key}.targets"), _normalisation(steps, images, key), augmentations


def _steps(transform: object) -> Iterable[object]:
    """Yield the transforms of a composition, one after the other."""
    if transform is None:
        return
    inner = vars(transform).get("transforms") if isinstance(transform, StandIn) else None
    if isinstance(inner, list | tuple):
        for step in inner:
            yield from _steps(step)
    else:
        yield transform


def _normalisation(steps: list[object], images: Tensor, key: str) -> tuple[Tensor, Tensor] | None:
    """Return mean and standard deviation of the one Normalize among transforms; of pixels without one, 0 and 1."""
    if images.dtype != torch.uint8:
        return None
    found = [vars(step) for step in steps if type(step).__name__ == "Normalize"]
    if not any(type(step).__name__ == "ToTensor" for step in steps) or len(found) > 1:
        raise RefusedFileError(f"{key} has pixels, and how they were normalised is not recorded")
    channels = images.shape[1]
    values = [(found[0].get(name) if found else fill) for name, fill in (("mean", 0.0), ("std", 1.0))]
    mean, std = (_tensor(value, f"{key}.transform").double().flatten() for value in values)
    if {len(mean), len(std)} - {1, channels} or not (std > 0).all():
        raise RefusedFileError(f"{key} has a normalisation that is not of its {channels} channels")
    return mean.expand(channels), std.expand(channels)


def _tensor(value: object, key: str) -> Tensor:
    """Return numbers in a tensor, an array, a list or alone."""
    if isinstance(value, Tensor):
        return value
    try:
        return torch.as_tensor(np.asarray(value))
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise RefusedFileError(f"{key} holds no numbers") from None
