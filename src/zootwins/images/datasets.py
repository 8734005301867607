"""Image data and its splits: a zoo's own `dataset.pt`, torchvision's data sets as the paper prepares them, or digits.

Transforms, splits and normalisation: the paper's appendix and the authors' code. This is the only module that
imports torchvision.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import TensorDataset, random_split

from zootwins.architectures.architecture import CLASSES
from zootwins.population import ImageData, ImageSet
from zootwins.run.errors import InputError, one_line
from zootwins.storage import tensor_files
from zootwins.storage.files import remedy

SPLIT_SEED = 42
SPLITS = {"train": "trainset", "validation": "valset", "test": "testset"}
MNIST, HALF = ((0.1307,), (0.3081,)), ((0.5,), (0.5,))


@dataclass(frozen=True)
class Source:
    """A torchvision data set and its preparation.

    Attributes:
        dataset: the name of torchvision's class.
        train: number of training images; torchvision's training set is split into these and
        validation: the validation images.
        test: number of test images.
        normalisation: mean and standard deviation of pixels in 0 … 1.
        resize: an edge in pixels.
        gray_crop: whether images are turned to grey and cropped to the 28 pixels in the centre.
        folder: where in the data folder the files are; a set that has one is bundled, and not to be downloaded.
    """

    dataset: str
    train: int
    validation: int
    test: int
    normalisation: tuple[tuple[float, ...], tuple[float, ...]]
    resize: int | None = None
    gray_crop: bool = False
    folder: str = ""


SOURCES = {
    "mnist": Source("MNIST", 50_000, 10_000, 10_000, MNIST),
    "fashion_mnist": Source("FashionMNIST", 50_000, 10_000, 10_000, HALF),
    "fashion_mnist_mini": Source("FashionMNIST", 600, 200, 600, HALF, folder="fashion_mnist_mini"),
    "svhn": Source("SVHN", 60_000, 13_257, 26_032, HALF, gray_crop=True),
    "usps": Source("USPS", 6_000, 1_291, 2_007, MNIST, resize=28),
    "cifar10": Source("CIFAR10", 42_000, 8_000, 10_000, HALF),
    "cifar10_28": Source("CIFAR10", 42_000, 8_000, 10_000, HALF, resize=28),
    "stl10_28": Source("STL10", 4_200, 800, 8_000, HALF, resize=28),
    "stl10_32": Source("STL10", 4_200, 800, 8_000, HALF, resize=32),
}


_IDX = "{train,t10k}-{images-idx3,labels-idx1}-ubyte"
FILES = {  # where torchvision looks for a data set's files, below the data folder
    "MNIST": f"MNIST/raw/{_IDX}",
    "FashionMNIST": f"FashionMNIST/raw/{_IDX}",
    "SVHN": "{train,test}_32x32.mat",
    "USPS": "{usps,usps.t}.bz2",
    "CIFAR10": "cifar-10-batches-py/{data_batch_1 … 5,test_batch,batches.meta}",
    "STL10": "stl10_binary/{train,test}_{X,y}.bin",
}


@dataclass(frozen=True)
class StoredData:
    """Data as stored: for each split uint8 pixels (or float32 numbers, already normalised) and labels.

    Attributes:
        images: `[samples, channels, height, width]` by split.
        labels: uint8 `[samples]` by split, int16 of more than 256 classes.
        mean: per channel, of pixels in 0 … 1; meaningless where images are float32.
        std: per channel, likewise.
        classes: how many the data set has.
    """

    images: Mapping[str, Tensor]
    labels: Mapping[str, Tensor]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: int = CLASSES


DIGITS = "digits"  # scikit-learn's, which come with it: real ones, to transfer to without a download
_DIGITS_SPLIT = {"train": 1_000, "validation": 297, "test": 500}
_DIGITS_WHITE, _DIGITS_EDGE = 16, 28


def named_data(name: str, data_dir: str | Path) -> StoredData:
    """A data set of the catalogue: scikit-learn's digits, or one of `SOURCES`; see `torchvision_data`."""
    return digits_data() if name == DIGITS else torchvision_data(name, data_dir)


def digits_data() -> StoredData:
    """scikit-learn's 1,797 digits of 8×8 pixels, whose values 0 … 16 become 0 … 255, resized to 28×28.

    They have no split of their own (the test set of a larger one is all there is): ours is drawn once for all.
    """
    from sklearn.datasets import load_digits

    whole = load_digits()
    pixels = torch.from_numpy(whole.images * 255 / _DIGITS_WHITE).round().to(torch.uint8)[:, None]
    images, labels = resized(pixels, _DIGITS_EDGE), torch.from_numpy(whole.target).to(torch.uint8)
    generator = torch.Generator().manual_seed(SPLIT_SEED)
    order = torch.randperm(len(labels), generator=generator).split(list(_DIGITS_SPLIT.values()))
    parts = dict(zip(_DIGITS_SPLIT, order, strict=True))
    return StoredData(
        {split: images[part] for split, part in parts.items()},
        {split: labels[part] for split, part in parts.items()},
        *HALF,
    )


def torchvision_data(name: str, data_dir: str | Path) -> StoredData:
    """One of `SOURCES`, found in `data_dir` or downloaded into it.

    Raises:
        InputError: if it is neither there nor to be had, or not of the size that the paper splits.
    """
    source = SOURCES[name]
    whole, test = _open_torchvision(source, Path(data_dir))
    expected = (source.train + source.validation, source.test)
    if (len(whole), len(test)) != expected:
        raise InputError(
            f"{data_dir}: {source.dataset} has {len(whole)} training and {len(test)} test images, {name} needs "
            f"{expected[0]} and {expected[1]}; remove its files from there, or set data_dir to the right ones"
        )
    generator = torch.Generator().manual_seed(SPLIT_SEED)
    train, validation = random_split(whole, [source.train, source.validation], generator=generator)
    images, labels = {}, {}
    for split, part in (("train", train), ("validation", validation), ("test", test)):
        pairs = [(_prepare(image, source), int(label)) for image, label in part]
        images[split] = torch.stack([image for image, _ in pairs])
        labels[split] = torch.tensor([label for _, label in pairs], dtype=torch.uint8)
    channels = images["test"].shape[1]
    mean, std = ((value * channels)[:channels] for value in source.normalisation)
    return StoredData(images, labels, mean, std)


def _open_torchvision(source: Source, data_dir: Path) -> tuple:
    """Training and test set as torchvision has them, untransformed."""
    dataset = getattr(import_torchvision().datasets, source.dataset)
    splits = [{"split": split} for split in ("train", "test")]
    if source.dataset not in ("SVHN", "STL10"):
        splits = [{"train": True}, {"train": False}]
    folder = data_dir / source.folder
    try:
        if source.folder:
            return tuple(dataset(folder, **split) for split in splits)
        with _alone_in(folder):
            try:
                return tuple(dataset(folder, **split) for split in splits)
            except (RuntimeError, FileNotFoundError):  # what is missing, or fails torchvision's checksum
                return _downloaded(dataset, folder, splits)
    except Exception as error:  # torchvision's readers raise whatever they stumble over
        reason = one_line(error) or type(error).__name__
        got = "is not there, or not whole" if source.folder else "is not there and could not be downloaded"
        raise InputError(
            f"{folder}: torchvision's {source.dataset} {got} ({reason}); put its files there as "
            f"{FILES[source.dataset]}, or set data_dir to the folder that has them so"
        ) from None


def _downloaded(dataset: Callable, folder: Path, splits: list[dict]) -> tuple:
    """The splits, downloaded; once more where the network failed, since torchvision does not try again."""
    try:
        return tuple(dataset(folder, **split, download=True) for split in splits)
    except (OSError, RuntimeError):  # torchvision's own when all mirrors fail is a RuntimeError
        return tuple(dataset(folder, **split, download=True) for split in splits)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold other jobs off a data folder meanwhile: zoos share data sets, and torchvision writes them in place."""
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):  # then nobody writes
        yield
        return
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def import_torchvision():
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
    transforms = import_torchvision().transforms.functional
    if source.gray_crop:
        image = transforms.center_crop(transforms.rgb_to_grayscale(image), [28, 28])
    if source.resize:
        image = transforms.resize(image, [source.resize, source.resize])
    return transforms.pil_to_tensor(image)


def resized(images: Tensor, edge: int) -> Tensor:
    """Images, uint8 `[samples, channels, height, width]`, of another edge: bilinear, as PIL does it."""
    functional = import_torchvision().transforms.functional
    return _each_image(images, lambda image: functional.resize(image, [edge, edge]))


def grey(images: Tensor) -> Tensor:
    """Images, uint8 `[samples, 3, height, width]`, as `[samples, 1, height, width]` by PIL's formula of luminance."""
    return _each_image(images, import_torchvision().transforms.functional.rgb_to_grayscale)


def _each_image(images: Tensor, change: Callable) -> Tensor:
    functional = import_torchvision().transforms.functional
    return torch.stack([functional.pil_to_tensor(change(functional.to_pil_image(image))) for image in images])


def _column(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)[:, None, None]


def normalise(pixels: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """As torchvision's ToTensor and Normalize compute it, bit for bit."""
    return pixels.float().div_(255).sub_(_column(mean)).div_(_column(std))


def as_trained_on(data: StoredData) -> dict[str, TensorDataset]:
    """The content of a `dataset.pt` of this data."""
    image_data = _image_data(data)
    sets = {key: getattr(image_data, split) for split, key in SPLITS.items()}
    return {key: TensorDataset(part.images, part.labels) for key, part in sets.items()} | {
        "dataset_seed": SPLIT_SEED,
        "classes": data.classes,
    }


def save_dataset(path: str | Path, data: StoredData, provenance: Mapping[str, str]) -> None:
    """Write `{split}.images` and `{split}.labels` to a safetensors file, whole or not at all."""
    tensors = {f"{split}.images": images for split, images in data.images.items()}
    tensors |= {f"{split}.labels": labels for split, labels in data.labels.items()}
    tensor_files.write(
        path,
        "dataset",
        tensors,
        {"mean": json.dumps(data.mean), "std": json.dumps(data.std), "classes": json.dumps(data.classes)},
        provenance,
    )


def load_stored(path: str | Path) -> StoredData:
    """Read what `save_dataset` wrote.

    Raises:
        InputError: if the file is not as it was written.
    """
    tensors, metadata = tensor_files.read(path, "dataset")
    try:
        mean, std = (tuple(map(float, json.loads(metadata[key]))) for key in ("mean", "std"))
        classes = int(json.loads(metadata.get("classes", str(CLASSES))))
        images, labels = ({split: tensors[f"{split}.{kind}"] for split in SPLITS} for kind in ("images", "labels"))
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
    return StoredData(images, labels, mean, std, classes)


def load_dataset(path: str | Path) -> ImageData:
    """The normalised splits that models see; see `load_stored`."""
    return _image_data(load_stored(path))


def _image_data(data: StoredData) -> ImageData:
    splits = {}
    for split, images in data.images.items():
        normalised = normalise(images, data.mean, data.std) if images.dtype == torch.uint8 else images
        splits[split] = ImageSet(normalised, data.labels[split].long(), data.classes)
    return ImageData(**splits)
