"""Image data and its splits: a zoo's own `dataset.pt`, or torchvision's data sets as the paper prepares them.

Transforms, splits and normalisation: the paper's appendix and the authors' code. This is the only module that
imports torchvision.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import TensorDataset, random_split

from zootwins.errors import InputError
from zootwins.files import replacing
from zootwins.population import ImageData, ImageSet

SPLIT_SEED = 42
SPLITS = {"train": "trainset", "validation": "valset", "test": "testset"}
MNIST, HALF = ((0.1307,), (0.3081,)), ((0.5,), (0.5,))


@dataclass(frozen=True)
class Source:
    """A torchvision data set and its preparation.

    `train` and `validation` are the sizes of the parts its training set is split into; `resize` is an edge in
    pixels; `gray_crop` turns to grey and crops the centre to 28 pixels.
    """

    dataset: str
    train: int
    validation: int
    normalisation: tuple[tuple[float, ...], tuple[float, ...]]
    resize: int | None = None
    gray_crop: bool = False


SOURCES = {
    "mnist": Source("MNIST", 50_000, 10_000, MNIST),
    "fashion_mnist": Source("FashionMNIST", 50_000, 10_000, HALF),
    "fashion_mnist_mini": Source("FashionMNIST", 600, 200, HALF),
    "svhn": Source("SVHN", 60_000, 13_257, HALF, gray_crop=True),
    "usps": Source("USPS", 6_000, 1_291, MNIST, resize=28),
    "cifar10": Source("CIFAR10", 42_000, 8_000, HALF),
    "cifar10_28": Source("CIFAR10", 42_000, 8_000, HALF, resize=28),
    "stl10_28": Source("STL10", 4_200, 800, HALF, resize=28),
    "stl10_32": Source("STL10", 4_200, 800, HALF, resize=32),
}


@dataclass(frozen=True)
class StoredData:
    """Data as stored: for each split uint8 pixels (or float32 numbers, already normalised) and labels.

    Attributes:
        images: `[samples, channels, height, width]` by split.
        labels: uint8 `[samples]` by split.
        mean: per channel, of pixels in 0 … 1; meaningless where images are float32.
        std: per channel, likewise.
    """

    images: Mapping[str, Tensor]
    labels: Mapping[str, Tensor]
    mean: tuple[float, ...]
    std: tuple[float, ...]


def torchvision_data(name: str, data_dir: str | Path) -> StoredData:
    """One of `SOURCES`, found in `data_dir` or downloaded into it.

    Raises:
        InputError: if it is neither there nor to be had, or not of the size that the paper splits.
    """
    source = SOURCES[name]
    parts = {}
    for split in ("train", "test"):
        try:
            parts[split] = _open_torchvision(source.dataset, Path(data_dir), split)
        except (RuntimeError, OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{data_dir}: torchvision's {source.dataset} is not there and could not be downloaded ({reason}); "
                "put its files there, or set data_dir to where they are"
            ) from None
    if len(parts["train"]) != source.train + source.validation:
        raise InputError(
            f"{data_dir}: {source.dataset} has {len(parts['train'])} training images, {name} needs "
            f"{source.train + source.validation}; set data_dir to the folder that holds the right files"
        )
    generator = torch.Generator().manual_seed(SPLIT_SEED)
    train, validation = random_split(parts["train"], [source.train, source.validation], generator=generator)
    images, labels = {}, {}
    for split, part in (("train", train), ("validation", validation), ("test", parts["test"])):
        prepared = [_prepare(image, source) for image, _ in part]
        images[split] = torch.stack(prepared)
        labels[split] = torch.tensor([int(label) for _, label in part], dtype=torch.uint8)
    channels = images["test"].shape[1]
    mean, std = ((value * channels)[:channels] for value in source.normalisation)
    return StoredData(images, labels, mean, std)


def _open_torchvision(name: str, folder: Path, split: str):
    datasets = _torchvision().datasets
    is_train = split == "train"
    if name in ("SVHN", "STL10"):
        arguments: dict[str, Any] = {"split": split}
    else:
        arguments = {"train": is_train}
    dataset: Callable = getattr(datasets, name)
    try:
        return dataset(folder, **arguments)
    except RuntimeError:  # not there: torchvision says so whatever is missing
        return dataset(folder, **arguments, download=True)


def _torchvision():
    """torchvision; where torch is a CPU build, the schemas of two operators that its import wants come first."""
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        for operator in ("nms", "qnms"):
            torch.library.define(f"torchvision::{operator}", "(Tensor dets, Tensor scores, float t) -> Tensor")
        import torchvision
    return torchvision


def _prepare(image, source: Source) -> Tensor:
    """uint8 `[channels, height, width]`: the pixels that the authors' ToTensor sees."""
    transforms = _torchvision().transforms.functional
    if source.gray_crop:
        image = transforms.center_crop(transforms.rgb_to_grayscale(image), [28, 28])
    if source.resize:
        image = transforms.resize(image, [source.resize, source.resize])
    return transforms.pil_to_tensor(image)


def read_dataset_pt(content: bytes, where: str) -> StoredData:
    """A zoo's own `dataset.pt`: TensorDatasets trainset, valset and testset, already normalised.

    Images come back as uint8 where they are pixels normalised in one of the known ways, exactly; else as they are.

    Raises:
        InputError: if it is none, or holds anything that would have to be executed.
    """
    try:
        with torch.serialization.safe_globals([TensorDataset]):
            stored = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
        tensors = {split: stored[key].tensors for split, key in SPLITS.items()}
    except Exception as error:  # the unpickler raises whatever it stumbles over
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"{where}: not a dataset.pt of plain tensors ({reason}); it is refused, not executed: name a data set in "
            "the catalogue and remove the file, or ask the zoo's authors"
        ) from None
    for split, (images, labels, *_) in tensors.items():
        if images.ndim != 4 or labels.shape != images.shape[:1] or not torch.isfinite(images).all():
            raise InputError(f"{where}: {SPLITS[split]} does not hold finite images [n, channels, h, w] and n labels")
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < 10:
            raise InputError(f"{where}: {SPLITS[split]} has labels outside 0 … 9")
    labels = {split: pair[1].to(torch.uint8) for split, pair in tensors.items()}
    images = {split: pair[0].float() for split, pair in tensors.items()}
    channels = images["test"].shape[1]
    for normalisation in (MNIST, HALF):
        mean, std = ((value * channels)[:channels] for value in normalisation)
        pixels = {split: _to_pixels(image, mean, std) for split, image in images.items()}
        if all(torch.equal(_normalise(pixels[split], mean, std), images[split]) for split in SPLITS):
            return StoredData(pixels, labels, mean, std)
    return StoredData(images, labels, (0.0,) * channels, (1.0,) * channels)


def _column(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)[:, None, None]


def _to_pixels(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    return ((images * _column(std) + _column(mean)) * 255).round().clamp(0, 255).to(torch.uint8)


def _normalise(pixels: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """As torchvision's ToTensor and Normalize compute it, bit for bit."""
    return pixels.float().div(255).sub_(_column(mean)).div_(_column(std))


def as_trained_on(data: StoredData) -> dict[str, TensorDataset]:
    """The content of a `dataset.pt` of this data."""
    image_data = _image_data(data)
    sets = {key: getattr(image_data, split) for split, key in SPLITS.items()}
    return {key: TensorDataset(part.images, part.labels) for key, part in sets.items()} | {"dataset_seed": SPLIT_SEED}


def save_dataset(path: str | Path, data: StoredData, provenance: Mapping[str, str]) -> None:
    """Write `{split}.images` and `{split}.labels` to a safetensors file, whole or not at all."""
    tensors = {f"{split}.images": images.contiguous() for split, images in data.images.items()}
    tensors |= {f"{split}.labels": labels.contiguous() for split, labels in data.labels.items()}
    metadata = {"mean": json.dumps(data.mean), "std": json.dumps(data.std), **provenance}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def load_stored(path: str | Path) -> StoredData:
    """Read what `save_dataset` wrote.

    Raises:
        InputError: if the file is not readable.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            images, labels = (
                {split: file.get_tensor(f"{split}.{kind}") for split in SPLITS} for kind in ("images", "labels")
            )
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{path}: not a readable data set ({error}); delete it, and the next run rebuilds it"
        ) from None
    return StoredData(images, labels, tuple(json.loads(metadata["mean"])), tuple(json.loads(metadata["std"])))


def load_dataset(path: str | Path) -> ImageData:
    """The normalised splits that models see; see `load_stored`."""
    return _image_data(load_stored(path))


def _image_data(data: StoredData) -> ImageData:
    splits = {}
    for split, images in data.images.items():
        normalised = _normalise(images, data.mean, data.std) if images.dtype == torch.uint8 else images
        splits[split] = ImageSet(normalised, data.labels[split].long())
    return ImageData(**splits)
