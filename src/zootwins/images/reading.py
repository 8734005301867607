"""Read a catalogue's data set: open its origin, prepare the images, divide and number them."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zootwins.images.datasets import SPLITS, StoredData, load_stored, normalise
from zootwins.images.entries import DatasetEntry, Split
from zootwins.images.torchvision_files import import_torchvision, open_torchvision
from zootwins.population import class_dtype
from zootwins.run.errors import InputError, one_line

log = logging.getLogger(__name__)

_DIGITS_WHITE = 16
_LARGEST_BYTE = 255
_SHARES_ERROR = 1e-9  # of a sum of shares


@dataclass(frozen=True)
class Request:
    """A data set that a job asks for: what the catalogue says of it."""

    name: str
    entry: DatasetEntry

    @classmethod
    def of(cls, settings: Mapping[str, Any] | str) -> "Request | None":
        """Make a request from a rule's parameters; None of the data set in a zoo's archive."""
        return None if isinstance(settings, str) else cls(settings["name"], DatasetEntry(**settings["entry"]))

    @property
    def from_file(self) -> bool:
        """Whether it is read from an input of the job."""
        return bool(self.entry.zoo or self.entry.path)

    def read(self, data_dir: str | Path, files: Sequence[str]) -> StoredData:
        """Read the data; `files` are the job's inputs that they come from, see `read_data`."""
        return read_data(self.name, self.entry, data_dir, files[0] if files else None)


def with_classes(data: StoredData, wanted: Request | None, where: str) -> StoredData:
    """Give a zoo's own data the classes that the catalogue declares.

    Raises:
        InputError: if the labels are of more classes.
    """
    given = wanted.entry.classes if wanted else None
    if given is None:
        return data
    classes, names = (len(given), given) if isinstance(given, tuple) else (given, ())
    highest = max(int(part.max()) for part in data.labels.values())
    if highest >= classes:
        raise InputError(f"{where}: has a label {highest}, and the catalogue says {classes} classes; correct it")
    return replace(data, classes=classes, names=names)


def read_data(name: str, entry: DatasetEntry, data_dir: str | Path, path: str | Path | None = None) -> StoredData:
    """Read the images and labels of a catalogue's data set.

    Args:
        name: for messages.
        entry: what the catalogue says.
        data_dir: that torchvision's files are in, or downloaded into.
        path: where the entry's file or folder is; of a zoo's data, the file that the workflow stores them in.

    Raises:
        InputError: if the data are not to be had, or differ from what the entry says of them.
    """
    if entry.zoo:
        return load_stored(path)
    where = f"{path or Path(data_dir) / (entry.subfolder or '')}: {name}"
    parts = _open(entry, Path(data_dir), path, where)
    images, labels = {}, {}
    for split, (part, places) in _divided(parts, entry.split, where).items():
        used = getattr(entry.limit, split) or len(places)
        if used > len(places):
            raise InputError(f"{where}: has {len(places)} {split} images, and limit.{split} is {used}; lower it")
        pairs = [(_prepared(image, entry), label) for image, label in (part[place] for place in places[:used])]
        images[split] = _stacked([image for image, _ in pairs], where)
        labels[split] = [label for _, label in pairs]
    if len(shapes := {tuple(part.shape[1:]) for part in images.values()}) > 1:
        raise InputError(f"{where}: its splits have images of different shapes ({shapes}); set channels and size")
    numbered, classes = _numbered(labels, entry, where)
    try:
        mean, std = entry.mean_and_std(images["test"].shape[1])
    except ValueError as error:
        raise InputError(f"{where}: {error}; correct the entry") from None
    names = entry.classes if isinstance(entry.classes, tuple) else ()
    if any(part.dtype != torch.uint8 for part in images.values()):
        images = {split: normalise(part, mean, std) for split, part in images.items()}
        mean, std = (0.0,) * len(mean), (1.0,) * len(std)
    return StoredData(images, numbered, mean, std, classes, names)


def _open(entry: DatasetEntry, data_dir: Path, path: str | Path | None, where: str) -> Mapping[str, Sequence]:
    """Open the parts of an origin, by split, as sequences of images (PIL) and labels."""
    if entry.torchvision:
        folder = data_dir / (entry.subfolder or "")
        return open_torchvision(entry.torchvision, entry.arguments, folder, bundled=entry.subfolder is not None)
    if entry.npz:
        return _open_arrays(Path(path), where)
    return _open_folder(Path(path), where) if entry.folder else _open_digits()


class _Arrays(Sequence):
    """Pixels, uint8 `[samples, height, width]` or `[samples, height, width, 3]`, and labels, as images and labels."""

    def __init__(self, pixels: np.ndarray, labels: np.ndarray) -> None:
        self._pixels, self._labels = pixels, labels

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, place: int) -> tuple[Image.Image, int]:
        return Image.fromarray(self._pixels[place]), int(self._labels[place])


def _open_digits() -> dict[str, Sequence]:
    """Open scikit-learn's digits, whose values 0 … 16 become 0 … 255."""
    from sklearn.datasets import load_digits

    whole = load_digits()
    pixels = np.round(whole.images * _LARGEST_BYTE / _DIGITS_WHITE).astype(np.uint8)
    return {"train": _Arrays(pixels, whole.target)}


def _open_arrays(path: Path, where: str) -> dict[str, Sequence]:
    """Open the arrays of an .npz file; pickled ones are refused."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, BadZipFile, EOFError) as error:
        raise InputError(f"{where}: not an .npz file of plain arrays ({one_line(error)}); save it again") from None
    parts = {}
    for split, prefixes in {"train": ("train",), "validation": ("validation", "val"), "test": ("test",)}.items():
        for prefix in prefixes:
            found = [arrays.get(f"{prefix}_{kind}") for kind in ("images", "labels")]
            if all(array is not None for array in found):
                parts[split] = _checked_arrays(*found, f"{where}: {prefix}")
    if "train" not in parts:
        raise InputError(f"{where}: has no train_images and train_labels, but {', '.join(arrays)}; rename its arrays")
    return parts


def _checked_arrays(pixels: np.ndarray, labels: np.ndarray, where: str) -> _Arrays:
    if pixels.dtype != np.uint8:
        raise InputError(f"{where}_images: are {pixels.dtype}; save pixels as uint8, 0 … 255, before normalisation")
    if pixels.ndim == 4 and pixels.shape[1] in (1, 3) and pixels.shape[3] not in (1, 3):
        pixels = pixels.transpose(0, 2, 3, 1)
    if pixels.ndim == 4 and pixels.shape[3] == 1:
        pixels = pixels[..., 0]
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if not (pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[3] == 3)) or 0 in pixels.shape:
        raise InputError(
            f"{where}_images: has shape {list(pixels.shape)}; save [samples, height, width] or "
            "[samples, height, width, 3]"
        )
    if labels.shape != pixels.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"{where}_labels: are {labels.dtype} {list(labels.shape)} for {len(pixels)} images; save one "
            "whole number for each"
        )
    return _Arrays(np.ascontiguousarray(pixels), labels)


def _open_folder(path: Path, where: str) -> dict[str, Sequence]:
    """Open folders of images, one for each class, in a folder for each split."""
    kind = import_torchvision().datasets.ImageFolder
    parts = {}
    for split, names in {"train": ("train",), "validation": ("validation", "val"), "test": ("test",)}.items():
        for name in names:
            if (path / name).is_dir():
                try:
                    parts[split] = kind(path / name, loader=_image_file)
                except (OSError, RuntimeError, ValueError) as error:
                    raise InputError(f"{path / name}: no folder of images for each class ({one_line(error)})") from None
    if "train" not in parts:
        raise InputError(f"{where}: has no folder train with a folder for each class; make one")
    for split, part in parts.items():
        if part.classes != parts["train"].classes:
            differing = sorted(set(part.classes) ^ set(parts["train"].classes))
            raise InputError(f"{where}: {split} and train have other classes ({', '.join(differing)}); correct them")
    return parts


def _image_file(path: str) -> Image.Image:
    """Open an image as grey or RGB, whatever its file's mode."""
    try:
        with Image.open(path) as image:
            if image.mode.startswith(("I", "F")):
                raise InputError(f"{path}: has pixels of more than 8 bits; save it with 8")
            return image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")
    except (OSError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: no image that can be read ({one_line(error)}); remove or replace it") from None


def _prepared(image: Image.Image, entry: DatasetEntry) -> Tensor:
    """Return uint8 `[channels, height, width]`, as the authors' ToTensor sees it, and float32 channel means."""
    transforms = import_torchvision().transforms.functional
    if entry.channels == "luma":
        image = transforms.rgb_to_grayscale(image)
    if entry.crop:
        image = transforms.center_crop(image, [entry.crop, entry.crop])
    if entry.size:
        image = transforms.resize(image, [entry.size, entry.size])
    pixels = transforms.pil_to_tensor(image)
    if entry.channels == "mean" and len(pixels) > 1:  # not rounded: the Small CNN Zoo's losses depend on it
        return pixels[:3].float().mean(0, keepdim=True)
    return pixels


def _stacked(images: list[Tensor], where: str) -> Tensor:
    if len(shapes := {tuple(image.shape) for image in images}) > 1:
        some = " and ".join(f"{list(shape)}" for shape in sorted(shapes)[:2])
        raise InputError(f"{where}: has images of different shapes, such as {some}; set size, and channels: luma")
    return torch.stack(images)


def _divided(parts: Mapping[str, Sequence], split: Split, where: str) -> dict[str, tuple[Sequence, list[int]]]:
    """Return for each split the part that its images are from, and their places in it, in the split's order.

    What has no part of its own is drawn from the training part.
    """
    drawn = [name for name in SPLITS if name == "train" or name not in parts]
    for name in set(parts) - set(drawn):
        wanted = getattr(split, name)
        if wanted is not None and wanted != len(parts[name]):
            raise InputError(
                f"{where}: has {len(parts['train'])} training and {len(parts[name])} {name} images of its own, "
                f"split.{name} says {wanted}; remove its files from there, set data_dir to the right "
                "ones, or correct it"
            )
    sizes = _sizes(len(parts["train"]), {name: getattr(split, name) for name in drawn}, where)
    order = torch.randperm(len(parts["train"]), generator=torch.Generator().manual_seed(split.seed))
    places = dict(zip(drawn, order.split(sizes), strict=True))
    return {
        name: (parts["train"], places[name].tolist()) if name in places else (parts[name], range(len(parts[name])))
        for name in SPLITS
    }


def _sizes(images: int, wanted: Mapping[str, float | None], where: str) -> list[int]:
    """Return how many images each split takes of those that are divided: all of them together."""
    for name, number in wanted.items():
        if number is None and name != "train":
            raise InputError(f"{where}: has no {name} images of its own; set split.{name} to a number or a share")
    counts = {name: number and (number if number >= 1 else round(number * images)) for name, number in wanted.items()}
    shares = list(wanted.values())
    all_of_it = all(share is not None and share < 1 for share in shares) and abs(sum(shares) - 1) < _SHARES_ERROR
    if counts["train"] is None or (all_of_it and "train" in counts):  # rounding is the training images' affair
        counts["train"] = images - sum(count for name, count in counts.items() if name != "train")
    sizes = [int(count) for count in counts.values()]
    if sum(sizes) != images or min(sizes) < 1:
        asked = ", ".join(f"{name} {size}" for name, size in zip(counts, sizes, strict=True))
        raise InputError(f"{where}: has {images} images to divide, and split asks for {asked}; correct one of them")
    return sizes


def _numbered(labels: Mapping[str, Sequence[Any]], entry: DatasetEntry, where: str) -> tuple[dict[str, Tensor], int]:
    """Number labels as 0, 1, … by split, and count the classes."""
    try:
        known = sorted({int(label) for part in labels.values() for label in part})
    except (TypeError, ValueError):
        raise InputError(f"{where}: its labels are no whole numbers; images of one class each are needed") from None
    given = len(entry.classes) if isinstance(entry.classes, tuple) else entry.classes
    number: Callable[[int], int] = int
    if known[0] < 0 or known[-1] >= (given or len(known)):
        if len(known) != given:
            said = f"classes says {given}" if given else "classes is not set"
            raise InputError(
                f"{where}: has {len(known)} labels from {known[0]} to {known[-1]}, and {said}; set classes"
            )
        number = {label: place for place, label in enumerate(known)}.__getitem__
        log.warning("%s: its labels from %d to %d are numbered from 0", where, known[0], known[-1])
    classes = given or len(known)
    if classes < 2:
        raise InputError(f"{where}: has one class; at least two are needed")
    dtype = class_dtype(classes)
    return {
        split: torch.tensor([number(int(label)) for label in part], dtype=dtype) for split, part in labels.items()
    }, classes
