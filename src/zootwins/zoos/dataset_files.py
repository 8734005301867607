"""A zoo's own image data: `dataset.pt` in the forms that the public code leaves, read without executing anything."""

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from zootwins.architectures.architecture import CLASSES
from zootwins.images.datasets import HALF, MNIST, SPLIT_SEED, SPLITS, StoredData, normalise
from zootwins.population import class_dtype
from zootwins.run.errors import InputError
from zootwins.storage import torch_files
from zootwins.storage.torch_files import RefusedFileError
from zootwins.zoos.pickled_data import ALLOWED, plain

log = logging.getLogger(__name__)

HELD_OUT = 0.1  # of the training images, where a zoo has no validation split
_AT_ONCE = 1024  # images whose temporaries are held at a time


def read_dataset_pt(content: bytes, where: str, classes: int | None = None) -> StoredData:
    """Return the data of a `dataset.pt`: trainset, valset and testset, images and labels as the models saw them.

    Images come back as uint8 where they are pixels normalised in one of the known ways, exactly; else as they are.
    Labels in another form (floats, a column, one-hot) are converted, and a validation split that is missing is drawn
    from the training images; the log says so.

    Args:
        content: of the file.
        where: which file it is, for messages.
        classes: how many classes the data have, if the zoo says it; else ten, or as many as the labels need.

    Raises:
        InputError: if it is none, or holds anything that would have to be executed.
    """
    try:
        stored = torch_files.load(content, allowed=ALLOWED)
    except RefusedFileError as error:
        raise InputError(
            f"{where}: not a data set of plain tensors ({error}); it is refused, not executed: name a data set in "
            "the catalogue and remove the file, or ask the zoo's authors"
        ) from None
    try:
        return _read(stored, where, classes)
    except RefusedFileError as error:
        raise InputError(
            f"{where}: {error}; save it again as a dict of TensorDatasets trainset, valset and testset with normalised "
            "float images [samples, channels, height, width] and whole numbers as labels, or remove it and name a data "
            "set in the catalogue"
        ) from None


def _read(stored: object, where: str, classes: int | None) -> StoredData:
    images, labels, normalisations = {}, {}, []
    for split, part in _parts(stored).items():
        key = SPLITS[split]
        pixels, values, normalisation, augmentations = plain(part, key)
        if augmentations:
            log.warning("%s: %s was augmented by %s, twins are not", where, key, ", ".join(augmentations))
        images[split] = pixels if normalisation else _images(pixels, key, where)
        labels[split] = _labels(values, key, where)
        if images[split].ndim != 4 or images[split].shape[1] not in (1, 3) or 0 in images[split].shape:
            raise RefusedFileError(f"{key} has images {list(images[split].shape)}")
        if labels[split].shape != images[split].shape[:1]:
            raise RefusedFileError(f"{key} has {len(images[split])} images and labels {list(labels[split].shape)}")
        normalisations.append(normalisation)
    if len(shapes := {tuple(part.shape[1:]) for part in images.values()}) > 1:
        raise RefusedFileError(f"its splits have images of different shapes ({shapes})")
    own = stored.get("classes")  # in what Zoo Twins writes
    classes = _checked_classes(labels, own if isinstance(own, int) and own > 1 else classes)
    if "validation" not in images:
        _hold_out(images, labels, where)
    if normalisations[0] is None and all(each is None for each in normalisations):
        return _as_pixels(images, labels, classes)
    if None in normalisations or len({str(each) for each in normalisations}) > 1:
        raise RefusedFileError("its splits are normalised differently")
    mean, std = (tuple(values.tolist()) for values in normalisations[0])
    return StoredData(images, labels, mean, std, classes)


def _checked_classes(labels: dict[str, Tensor], classes: int | None) -> int:
    """Return the number of classes, with the labels in the smallest type that holds them."""
    highest = max(int(part.max()) for part in labels.values())
    classes = classes or max(CLASSES, highest + 1)
    if min(int(part.min()) for part in labels.values()) < 0 or highest >= min(classes, 1 << 15):
        raise RefusedFileError(f"has labels outside 0 … {classes - 1}")
    for split, part in labels.items():
        labels[split] = part.to(class_dtype(classes))
    return classes


def _as_pixels(images: dict[str, Tensor], labels: dict[str, Tensor], classes: int) -> StoredData:
    channels = images["test"].shape[1]
    for normalisation in (MNIST, HALF):
        mean, std = ((value * channels)[:channels] for value in normalisation)
        pixels = {split: _to_pixels(part, mean, std) for split, part in images.items()}
        if all(part is not None for part in pixels.values()):
            return StoredData(pixels, labels, mean, std, classes)
    return StoredData(images, labels, (0.0,) * channels, (1.0,) * channels, classes)


def _parts(stored: object) -> dict[str, Any]:
    """Return the parts of a data set by split, the validation split only if there is one."""
    if not isinstance(stored, Mapping):
        raise RefusedFileError(f"holds a {type(stored).__name__}, not a dict with trainset, valset and testset")
    parts = {split: stored.get(key) for split, key in SPLITS.items() if stored.get(key) is not None}
    for split in ("train", "test"):
        if split not in parts:
            raise RefusedFileError(f"has no {SPLITS[split]}")
    return parts


def _hold_out(images: dict[str, Tensor], labels: dict[str, Tensor], where: str) -> None:
    """Make some of the training images the validation split, in place."""
    samples = len(labels["train"])
    if samples < 2:
        raise RefusedFileError("has no valset, and no training images to draw one from")
    number = max(1, round(HELD_OUT * samples))
    order = torch.randperm(samples, generator=torch.Generator().manual_seed(SPLIT_SEED))
    for tensors in (images, labels):
        tensors["validation"] = tensors["train"][order[:number].sort()[0]]
        tensors["train"] = tensors["train"][order[number:].sort()[0]]
    log.warning(
        "%s: has no valset: %d of its training images, drawn with seed %d, are the validation split; the originals "
        "were trained on them, twins are not",
        where, number, SPLIT_SEED,
    )  # fmt: skip


def _images(pixels: Tensor, key: str, where: str) -> Tensor:
    """Return images as finite float32."""
    if not pixels.dtype.is_floating_point:
        raise RefusedFileError(f"{key} has images of {pixels.dtype}, and how they were normalised is not recorded")
    images = torch_files.as_floats(pixels)
    if images.ndim == 3 and images.shape[1] == images.shape[2]:
        images = images[:, None]
        log.info("%s: %s has images without a channel: one grey channel", where, key)
    return images


def _labels(values: Tensor, key: str, where: str) -> Tensor:
    """Return labels, int64 `[samples]`, of whole numbers in any type, in a column, or one-hot."""
    if values.dtype == torch.bool:
        values = values.to(torch.uint8)
    numbers = torch_files.as_floats(values) if values.dtype.is_floating_point else torch_files.as_integers(values)
    if numbers.ndim == 2 and numbers.shape[1] > 1:
        if not (((numbers == 0) | (numbers == 1)).all() and (numbers.sum(1) == 1).all()):
            raise RefusedFileError(f"{key} has labels {list(numbers.shape)} that are not one-hot")
        log.info("%s: %s has one-hot labels: their classes are taken", where, key)
        return numbers.argmax(1)
    if numbers.ndim == 2:
        log.info("%s: %s has labels in a column", where, key)
        numbers = numbers[:, 0]
    if numbers.dtype.is_floating_point:
        if not torch.equal(numbers, numbers.round()):
            raise RefusedFileError(f"{key} has labels that are not whole numbers")
        log.info("%s: %s has labels of %s: whole numbers, taken as such", where, key, values.dtype)
    return numbers.long()


def _to_pixels(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor | None:
    """Return the uint8 pixels whose normalisation is exactly these images, if there are any."""
    parts = []
    columns = [torch.tensor(values, dtype=torch.float32)[:, None, None] for values in (mean, std)]
    for part in images.split(_AT_ONCE):
        parts.append(((part * columns[1] + columns[0]) * 255).round().clamp(0, 255).to(torch.uint8))
        if not torch.equal(normalise(parts[-1], mean, std), part):
            return None
    return torch.cat(parts)
