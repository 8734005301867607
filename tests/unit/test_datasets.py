"""Image data: the authors' transforms and splits on small files of the real formats, and a zoo's own dataset.pt."""

import bz2
import hashlib
import pickle
import urllib.request
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch.utils.data import random_split

from zootwins.images import datasets, torchvision_files
from zootwins.images.datasets import grey, load_dataset, load_stored, resized, save_dataset, torchvision_data
from zootwins.images.entries import Split, built_in
from zootwins.images.torchvision_files import FILES, import_torchvision
from zootwins.run.errors import InputError

BUNDLED = Path(__file__).parents[2] / "resources/data"
TRAIN, VALIDATION, TEST = 12, 8, 6
FIRST_DIGITS = [2, 1, 4, 2, 6, 6, 9, 8, 2, 4, 9, 3]  # of the test split
SOURCES = {name: entry for name, entry in built_in().items() if entry.torchvision}
RNG = np.random.default_rng(0)
LABELS = {"train": np.arange(TRAIN + VALIDATION) % 10, "test": np.arange(TEST) % 10}


def pixels(split: str, *shape: int) -> np.ndarray:
    return RNG.integers(0, 256, (len(LABELS[split]), *shape), dtype=np.uint8)


def write_idx(folder: Path, name: str) -> None:
    for split, prefix in (("train", "train"), ("test", "t10k")):
        for kind, values in (("images-idx3", pixels(split, 28, 28)), ("labels-idx1", LABELS[split].astype(np.uint8))):
            header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
            path = folder / name / "raw" / f"{prefix}-{kind}-ubyte"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(header + values.tobytes())


def write_svhn(folder: Path) -> None:
    for split in ("train", "test"):
        images = pixels(split, 32, 32, 3).transpose(1, 2, 3, 0)
        labels = np.where(LABELS[split] == 0, 10, LABELS[split])[:, None].astype(np.uint8)  # SVHN calls the zero 10
        scipy.io.savemat(folder / f"{split}_32x32.mat", {"X": images, "y": labels})


def write_usps(folder: Path) -> None:
    for split, name in (("train", "usps.bz2"), ("test", "usps.t.bz2")):
        values = RNG.uniform(-1, 1, (len(LABELS[split]), 256))
        lines = [
            f"{label + 1} " + " ".join(f"{n}:{value:.4f}" for n, value in enumerate(row, 1))
            for label, row in zip(LABELS[split], values, strict=True)
        ]
        (folder / name).write_bytes(bz2.compress("\n".join(lines).encode()))


def write_stl10(folder: Path) -> None:
    (folder / "stl10_binary").mkdir()
    for split in ("train", "test"):
        pixels(split, 3, 96, 96).tofile(folder / f"stl10_binary/{split}_X.bin")
        (LABELS[split] + 1).astype(np.uint8).tofile(folder / f"stl10_binary/{split}_y.bin")
    (folder / "stl10_binary/unlabeled_X.bin").write_bytes(b"")


def write_cifar10(folder: Path) -> None:
    files = folder / "cifar-10-batches-py"
    files.mkdir()
    batches = {"test_batch": (pixels("test", 3072), LABELS["test"])}
    parts = zip(np.split(pixels("train", 3072), 5), np.split(LABELS["train"], 5), strict=True)
    batches |= {f"data_batch_{n}": part for n, part in enumerate(parts, 1)}
    for name, (images, labels) in batches.items():
        (files / name).write_bytes(pickle.dumps({"data": images, "labels": labels.tolist()}))
    (files / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))


def write_files(source: str, folder: Path, monkeypatch) -> None:
    """Small files of a data set's real format; torchvision gets their checksums."""
    torchvision = import_torchvision().datasets
    name = SOURCES[source].torchvision
    if name in ("MNIST", "FashionMNIST"):
        write_idx(folder, name)
        return
    {"SVHN": write_svhn, "USPS": write_usps, "STL10": write_stl10, "CIFAR10": write_cifar10}[name](folder)
    kind = getattr(torchvision, name)

    def listed(pairs):
        return [[file, hashlib.md5((folder / kind.base_folder / file).read_bytes()).hexdigest()] for file, _ in pairs]

    if name == "SVHN":
        entries = {split: (folder / f"{split}_32x32.mat").read_bytes() for split in ("train", "test")}
        lists = {split: [*kind.split_list[split][:2], hashlib.md5(c).hexdigest()] for split, c in entries.items()}
        monkeypatch.setattr(kind, "split_list", kind.split_list | lists)
    if name in ("STL10", "CIFAR10"):
        monkeypatch.setattr(kind, "train_list", listed(kind.train_list))
        monkeypatch.setattr(kind, "test_list", listed(kind.test_list))
    if name == "CIFAR10":
        meta = (folder / kind.base_folder / "batches.meta").read_bytes()
        monkeypatch.setattr(kind, "meta", kind.meta | {"md5": hashlib.md5(meta).hexdigest()})


@pytest.fixture
def small(monkeypatch):
    """Every data set split into 12 + 8 training and 6 test images."""
    split = Split(train=TRAIN, validation=VALIDATION, test=TEST)
    few = {name: entry.model_copy(update={"split": split}) for name, entry in SOURCES.items()}
    monkeypatch.setattr(datasets, "built_in", lambda: few)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*arguments, **more):
        raise URLError("no network in tests")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def authors_transform(source: str):
    """What the generators of ModelZoos/ModelZooDataset compose for each data set."""
    t = import_torchvision().transforms
    gray, colour = [t.Normalize((0.5,), (0.5,))], [t.Normalize((0.5,) * 3, (0.5,) * 3)]
    steps = {
        "mnist": [t.ToTensor(), t.Normalize((0.1307,), (0.3081,))],
        "fashion_mnist": [t.ToTensor(), *gray],
        "svhn": [t.Grayscale(num_output_channels=1), t.CenterCrop(size=28), t.ToTensor(), *gray],
        "usps": [t.Resize((28, 28)), t.ToTensor(), t.Normalize((0.1307,), (0.3081,))],
        "cifar10": [t.ToTensor(), *colour],
        "cifar10_28": [t.Resize((28, 28)), t.ToTensor(), *colour],
        "stl10_28": [t.Resize((28, 28)), t.ToTensor(), *colour],
        "stl10_32": [t.Resize((32, 32)), t.ToTensor(), *colour],
    }
    return t.Compose(steps[source])


@pytest.mark.parametrize("source", [name for name in SOURCES if name != "fashion_mnist_mini"])
def test_images_are_bit_for_bit_what_the_authors_models_saw(source, tmp_path, small, monkeypatch):
    write_files(source, tmp_path, monkeypatch)
    path = tmp_path / "dataset.safetensors"
    save_dataset(path, torchvision_data(source, tmp_path), {})
    loaded = load_dataset(path)

    kind = getattr(import_torchvision().datasets, SOURCES[source].torchvision)
    by_name = {"SVHN": "split", "STL10": "split"}.get(SOURCES[source].torchvision)
    arguments = [{by_name: "train"}, {by_name: "test"}] if by_name else [{"train": True}, {"train": False}]
    whole, test = (kind(tmp_path, transform=authors_transform(source), **each) for each in arguments)
    train, validation = random_split(whole, [TRAIN, VALIDATION], generator=torch.Generator().manual_seed(42))
    for part, expected in ((loaded.train, train), (loaded.validation, validation), (loaded.test, test)):
        assert torch.equal(part.images, torch.stack([image for image, _ in expected]))
        assert part.labels.tolist() == [label for _, label in expected]
    assert load_stored(path).images["train"].dtype == torch.uint8


def test_the_bundled_mini_set_is_balanced_and_split_as_the_big_one():
    data = torchvision_data("fashion_mnist_mini", BUNDLED)
    assert {split: tuple(images.shape) for split, images in data.images.items()} == {
        "train": (600, 1, 28, 28),
        "validation": (200, 1, 28, 28),
        "test": (600, 1, 28, 28),
    }
    assert torch.bincount(data.labels["test"].int()).tolist() == [60] * 10
    assert torch.bincount(torch.cat([data.labels["train"], data.labels["validation"]]).int()).tolist() == [80] * 10


@pytest.mark.parametrize("source", list(SOURCES))
def test_data_that_is_missing_and_cannot_be_downloaded_is_one_line_with_the_remedy(source, tmp_path):
    with pytest.raises(InputError, match="set data_dir to the folder that has them so") as caught:
        torchvision_data(source, tmp_path)
    assert FILES[SOURCES[source].torchvision] in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert ("no network" in str(caught.value)) == (source != "fashion_mnist_mini")


@pytest.mark.parametrize("source", [name for name in SOURCES if name != "fashion_mnist_mini"])
def test_damaged_files_are_one_line_with_the_remedy(source, tmp_path, small, monkeypatch):
    write_files(source, tmp_path, monkeypatch)
    for path in [path for path in tmp_path.rglob("*") if path.is_file()]:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="set data_dir to") as caught:
        torchvision_data(source, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_set_of_another_size_is_refused(tmp_path):
    write_idx(tmp_path, "FashionMNIST")
    with pytest.raises(InputError, match="fashion_mnist: has 20 training and 6 test images of its own, "):
        torchvision_data("fashion_mnist", tmp_path)


def test_a_folder_that_cannot_be_written_is_read_all_the_same(tmp_path, small, monkeypatch):
    write_idx(tmp_path, "MNIST")
    monkeypatch.setattr(torchvision_files.os, "access", lambda path, mode: False)
    assert len(torchvision_data("mnist", tmp_path).labels["train"]) == TRAIN
    assert [path.name for path in tmp_path.iterdir()] == ["MNIST"]


def test_digits_are_scikit_learns_at_another_size(tmp_path):
    """Every digit once, its pixels those that PIL makes of the 8×8 ones; the split is the same on every machine."""
    whole = load_digits()
    data = torchvision_data("digits", tmp_path)
    assert {split: tuple(images.shape) for split, images in data.images.items()} == {
        "train": (1000, 1, 28, 28),
        "validation": (297, 1, 28, 28),
        "test": (500, 1, 28, 28),
    }
    pixels = [np.round(image * 255 / 16).astype(np.uint8) for image in whole.images]
    bilinear = [np.asarray(Image.fromarray(image).resize((28, 28), Image.Resampling.BILINEAR)) for image in pixels]
    expected = sorted((image.tobytes(), int(label)) for image, label in zip(bilinear, whole.target, strict=True))
    found = [
        (image.numpy().tobytes(), int(label))
        for split in data.images
        for image, label in zip(data.images[split], data.labels[split], strict=True)
    ]
    assert sorted(found) == expected
    assert data.labels["test"][:12].tolist() == FIRST_DIGITS
    assert (torch.bincount(data.labels["test"].int()) >= 40).all()


def test_grey_and_resized_images_are_pils():
    images = torch.from_numpy(RNG.integers(0, 256, (4, 3, 32, 32), dtype=np.uint8))
    pil = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]
    luminance = [np.asarray(image.convert("L")) for image in pil]
    assert np.array_equal(grey(images)[:, 0].numpy(), np.stack(luminance))
    small = [np.asarray(image.resize((28, 28), Image.Resampling.BILINEAR)) for image in pil]
    assert np.array_equal(resized(images, 28).permute(0, 2, 3, 1).numpy(), np.stack(small))
