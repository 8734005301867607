"""Image data as the workflow stores it, the splits that models see, and conversions of images.

`zootwins.images.reading` makes it of a catalogue's entry, `zootwins.zoos.dataset_files` of a zoo's own dataset.pt.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from zootwins.architectures.architecture import CLASSES
from zootwins.images.entries import SPLIT_SEED, built_in
from zootwins.images.torchvision_files import import_torchvision
from zootwins.population import ImageData, ImageSet
from zootwins.run.errors import InputError
from zootwins.storage import tensor_files
from zootwins.storage.files import remedy

SPLITS = {"train": "trainset", "validation": "valset", "test": "testset"}
MNIST, HALF = ((0.1307,), (0.3081,)), ((0.5,), (0.5,))  # mean and standard deviation of pixels in 0 … 1


@dataclass(frozen=True)
class StoredData:
    """Data as stored: for each split uint8 pixels (or float32 numbers, already normalised) and labels.

    Attributes:
        images: `[samples, channels, height, width]` by split.
        labels: uint8 `[samples]` by split; int16 of more than 256 classes.
        mean: per channel, of pixels in 0 … 1; meaningless where images are float32.
        std: per channel, likewise.
        classes: how many there are, also where not all of them are among the labels.
        names: of the classes; empty if they are not known.
    """

    images: Mapping[str, Tensor]
    labels: Mapping[str, Tensor]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: int = CLASSES
    names: tuple[str, ...] = ()


def torchvision_data(name: str, data_dir: str | Path) -> StoredData:
    """Read a data set that every catalogue has, by its name; see `zootwins.images.reading.read_data`."""
    from zootwins.images.reading import read_data

    return read_data(name, built_in()[name], data_dir)


def resized(images: Tensor, edge: int) -> Tensor:
    """Resize images, uint8 `[samples, channels, height, width]`, bilinearly, as PIL does it."""
    functional = import_torchvision().transforms.functional
    return _each_image(images, lambda image: functional.resize(image, [edge, edge]))


def grey(images: Tensor) -> Tensor:
    """Convert uint8 `[samples, 3, height, width]` to `[samples, 1, height, width]` by PIL's luminance."""
    return _each_image(images, import_torchvision().transforms.functional.rgb_to_grayscale)


def _each_image(images: Tensor, change: Callable) -> Tensor:
    functional = import_torchvision().transforms.functional
    return torch.stack([functional.pil_to_tensor(change(functional.to_pil_image(image))) for image in images])


def _column(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)[:, None, None]


def normalise(pixels: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Normalise as torchvision's ToTensor and Normalize do, bit for bit."""
    return pixels.float().div_(255).sub_(_column(mean)).div_(_column(std))


def as_trained_on(data: StoredData) -> dict[str, TensorDataset]:
    """Return the content of a `dataset.pt` of this data."""
    normalised = image_data(data)
    sets = {key: getattr(normalised, split) for split, key in SPLITS.items()}
    return {key: TensorDataset(part.images, part.labels) for key, part in sets.items()} | {
        "dataset_seed": SPLIT_SEED,
        "classes": data.classes,
    }


def save_dataset(path: str | Path, data: StoredData, provenance: Mapping[str, str]) -> None:
    """Write `{split}.images` and `{split}.labels` to a safetensors file, whole or not at all."""
    tensors = {f"{split}.images": images for split, images in data.images.items()}
    tensors |= {f"{split}.labels": labels for split, labels in data.labels.items()}
    described = {name: json.dumps(getattr(data, name)) for name in ("mean", "std", "classes", "names")}
    tensor_files.write(path, "dataset", tensors, described, provenance)


def load_stored(path: str | Path) -> StoredData:
    """Read what `save_dataset` wrote.

    Raises:
        InputError: if the file is not as it was written.
    """
    tensors, metadata = tensor_files.read(path, "dataset")
    try:
        mean, std = (tuple(map(float, json.loads(metadata[key]))) for key in ("mean", "std"))
        images, labels = ({split: tensors[f"{split}.{kind}"] for split in SPLITS} for kind in ("images", "labels"))
        classes = int(json.loads(metadata.get("classes", str(CLASSES))))  # files of version 0.2 have ten
        names = tuple(map(str, json.loads(metadata.get("names", "[]"))))
    except (KeyError, TypeError, ValueError, RecursionError):
        raise InputError(f"{path}: not all of a data set; {remedy(path)}") from None
    for split in SPLITS:
        kinds, shape, samples = (images[split].dtype, labels[split].dtype), images[split].shape, labels[split].shape
        if (
            kinds[0] not in (torch.uint8, torch.float32)
            or kinds[1] not in (torch.uint8, torch.int16)
            or len(shape) != 4
            or (samples, len(mean), len(std)) != (shape[:1], shape[1], shape[1])
        ):
            raise InputError(f"{path}: {split} has no images with labels and a normalisation; {remedy(path)}")
    return StoredData(images, labels, mean, std, classes, names)


def load_dataset(path: str | Path) -> ImageData:
    """Load the normalised splits that models see; see `load_stored`."""
    return image_data(load_stored(path))


def image_data(data: StoredData) -> ImageData:
    """Return the splits as models see them: normalised images, and labels."""
    splits = {}
    for split, images in data.images.items():
        normalised = normalise(images, data.mean, data.std) if images.dtype == torch.uint8 else images
        splits[split] = ImageSet(normalised, data.labels[split].long(), data.classes)
    return ImageData(**splits)
