"""Data sets of the user's own: arrays, folders of images, any torchvision class, other numbers of classes."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from zootwins.images.datasets import StoredData, load_dataset, load_stored, save_dataset, torchvision_data
from zootwins.images.entries import DatasetEntry, built_in, same_labels
from zootwins.images.reading import Request, read_data, with_classes
from zootwins.run.errors import InputError

RNG = np.random.default_rng(1)
TRAIN, TEST = 20, 6
BUNDLED = Path(__file__).parents[2] / "resources/data"
# Digests of pixels and labels of all splits, as version 0.2 read them from its lists of names.
BEFORE = {"fashion_mnist_mini": "e32f4c18672a8b1e0ac5901924828799", "digits": "02aa20a0fb2c7c140f0eca76bd71975f"}
SPLIT = {"validation": 0.25}


def arrays(*shape: int, classes: int = 3, **more) -> dict[str, np.ndarray]:
    """Training and test arrays of an .npz file."""
    made = {}
    for part, samples in (("train", TRAIN), ("test", TEST)):
        made[f"{part}_images"] = RNG.integers(0, 256, (samples, *shape), dtype=np.uint8)
        made[f"{part}_labels"] = np.arange(samples) % classes
    return made | more


def read(tmp_path, content: dict[str, np.ndarray], **keys) -> StoredData:
    path = tmp_path / "data.npz"
    np.savez(path, **content)
    entry = DatasetEntry(**{"npz": "data.npz", "normalisation": [0, 1], "split": SPLIT} | keys)
    return read_data("mine", entry, tmp_path, path)


@pytest.mark.parametrize("name", list(BEFORE))
def test_what_every_catalogue_has_is_bit_for_bit_what_it_was(name):
    data, digest = torchvision_data(name, BUNDLED), hashlib.md5()
    for split in ("train", "validation", "test"):
        digest.update(data.images[split].numpy().tobytes())
        digest.update(data.labels[split].numpy().tobytes())
    assert digest.hexdigest() == BEFORE[name]
    assert (data.mean, data.std, data.classes) == ((0.5,), (0.5,), 10)


def test_arrays_are_split_by_shares_and_keep_their_pixels(tmp_path):
    content = arrays(9, 9)
    data = read(tmp_path, content)
    assert {split: len(labels) for split, labels in data.labels.items()} == {"train": 15, "validation": 5, "test": TEST}
    assert torch.equal(data.images["test"][:, 0], torch.from_numpy(content["test_images"]))
    order = torch.randperm(TRAIN, generator=torch.Generator().manual_seed(42)).numpy()
    for split, places in (("train", order[:15]), ("validation", order[15:])):
        assert np.array_equal(data.images[split][:, 0], content["train_images"][places])
        assert np.array_equal(data.labels[split], content["train_labels"][places])
    assert data.classes == 3


@pytest.mark.parametrize("shape", [(8, 8, 3), (3, 8, 8), (8, 8, 1), (1, 8, 8)])
def test_arrays_have_their_channels_first_or_last(tmp_path, shape):
    content = arrays(*shape)
    first = content["test_images"] if shape[0] in (1, 3) else content["test_images"].transpose(0, 3, 1, 2)
    assert np.array_equal(read(tmp_path, content).images["test"].numpy(), first)


def test_validation_images_of_its_own_are_not_drawn(tmp_path):
    content = arrays(8, 8)
    more = {"val_images": content["test_images"][:4], "val_labels": content["test_labels"][:4, None]}
    data = read(tmp_path, content | more, split={})
    assert {split: len(labels) for split, labels in data.labels.items()} == {
        "train": TRAIN,
        "validation": 4,
        "test": TEST,
    }


def test_images_are_prepared_in_the_order_of_the_keys(tmp_path):
    content = arrays(12, 12, 3)
    data = read(tmp_path, content, channels="luma", crop=10, size=7)
    image = (
        Image.fromarray(content["test_images"][2])
        .convert("L")
        .crop((1, 1, 11, 11))
        .resize((7, 7), Image.Resampling.BILINEAR)
    )
    assert np.array_equal(data.images["test"][2, 0].numpy(), np.asarray(image))
    data = read(tmp_path, content, channels="mean")  # normalised already, since means are no whole numbers
    pixels = data.images["test"][2, 0].numpy() * 255
    assert np.abs(pixels - content["test_images"][2].mean(-1)).max() < 1e-3
    assert (data.mean, data.std) == ((0.0,), (1.0,))


@pytest.mark.parametrize(
    ("normalisation", "expected"),
    [([0, 1], (0.0, 1.0)), ([-1, 1], (0.5, 0.5)), ({"mean": [0.1], "std": [0.2]}, (0.1, 0.2))],
)
def test_normalisation_is_a_range_or_mean_and_deviation(tmp_path, normalisation, expected):
    data = read(tmp_path, arrays(6, 6, 3), normalisation=normalisation)
    assert (data.mean, data.std) == ((expected[0],) * 3, (expected[1],) * 3)


def test_more_than_255_classes_survive_storing(tmp_path):
    content = arrays(6, 6, test_labels=np.array([0, 299, 256, 255, 1, 2]))
    data = read(tmp_path, content, classes=300)
    save_dataset(tmp_path / "dataset.safetensors", data, {})
    stored, loaded = load_stored(tmp_path / "dataset.safetensors"), load_dataset(tmp_path / "dataset.safetensors")
    assert (stored.classes, loaded.test.classes) == (300, 300)
    assert loaded.test.labels.tolist() == [0, 299, 256, 255, 1, 2]


def test_labels_that_begin_elsewhere_are_numbered_where_classes_are_given(tmp_path):
    content = arrays(6, 6)
    shifted = content | {name: content[name] + 1 for name in ("train_labels", "test_labels")}
    data = read(tmp_path, shifted, classes=["a", "b", "c"])
    assert data.labels["test"].tolist() == content["test_labels"].tolist()
    assert (data.classes, data.names) == (3, ("a", "b", "c"))
    with pytest.raises(InputError, match="3 labels from 1 to 3, and classes is not set"):
        read(tmp_path, shifted)


def test_a_limit_takes_the_first_images_of_each_split(tmp_path):
    content = arrays(6, 6)
    whole, part = read(tmp_path, content), read(tmp_path, content, limit={"train": 4, "test": 2})
    for split, number in (("train", 4), ("validation", 5), ("test", 2)):
        assert torch.equal(part.images[split], whole.images[split][:number])
        assert torch.equal(part.labels[split], whole.labels[split][:number])


@pytest.mark.parametrize(
    ("change", "keys", "message"),
    [
        ({"train_images": np.zeros((TRAIN, 6, 6), np.float32)}, {}, "float32; save pixels as uint8"),
        ({"train_images": np.zeros((TRAIN, 36), np.uint8)}, {}, "save .samples, height, width"),
        ({"train_labels": np.zeros(3, int)}, {}, "for 20 images; save one whole number for each"),
        ({"train_labels": np.zeros(TRAIN)}, {}, "train_labels: are float64"),
        ({"train_labels": np.zeros(TRAIN, int), "test_labels": np.zeros(TEST, int)}, {}, "has one class"),
        ({"train_labels": np.arange(TRAIN)}, {"classes": 10}, "20 labels from 0 to 19, and classes says 10"),
        ({"test_images": np.zeros((TEST, 5, 6), np.uint8)}, {}, "images of different shapes"),
        ({}, {"split": {}}, "has no validation images of its own; set split.validation"),
        ({}, {"split": {"train": 10, "validation": 5}}, "has 20 images to divide, and split asks for train 10, "),
        ({}, {"split": {"validation": 5, "test": 7}}, "6 test images of its own, split.test says 7"),
        ({}, {"limit": {"test": 7}}, "has 6 test images, and limit.test is 7; lower it"),
        ({}, {"normalisation": {"mean": [0.1, 0.2], "std": [1]}}, "images 1 channels"),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_one_line(tmp_path, change, keys, message):
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, arrays(6, 6) | change, **keys)
    assert "data.npz: mine" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut"])
def test_files_that_are_no_arrays_are_one_line(tmp_path, content):
    (tmp_path / "data.npz").write_bytes(content)
    entry = DatasetEntry(npz="data.npz", normalisation=[0, 1])
    with pytest.raises(InputError, match=r"not an \.npz file of plain arrays") as caught:
        read_data("mine", entry, tmp_path, tmp_path / "data.npz")
    assert "\n" not in str(caught.value)


def test_pickled_arrays_are_refused(tmp_path):
    with pytest.raises(InputError, match="plain arrays"):
        read(tmp_path, arrays(6, 6, train_labels=np.array([object()] * TRAIN, dtype=object)))


def folder_of_images(root: Path, **images: Image.Image) -> Path:
    for split in ("train", "test"):
        for name, image in images.items():
            (root / split / name).mkdir(parents=True)
            for number in range(3):
                image.save(root / split / name / f"{number}.png")
    return root


def test_a_folder_has_a_class_for_each_of_its_folders(tmp_path):
    grey = {name: Image.new("L", (6, 6), level) for name, level in (("cat", 10), ("dog", 200))}
    root = folder_of_images(tmp_path / "pets", **grey)
    entry = DatasetEntry(folder="pets", normalisation=[0, 1], split={"validation": 2})
    data = read_data("pets", entry, tmp_path, root)
    assert data.images["test"].shape == (6, 1, 6, 6)
    assert data.images["test"][:, 0, 0, 0].tolist() == [10] * 3 + [200] * 3
    assert data.labels["test"].tolist() == [0] * 3 + [1] * 3
    (root / "test/emu").mkdir()
    Image.new("L", (6, 6)).save(root / "test/emu/0.png")
    with pytest.raises(InputError, match=r"test and train have other classes \(emu\)"):
        read_data("pets", entry, tmp_path, root)


def test_images_of_several_kinds_need_keys_that_make_them_one(tmp_path):
    root = folder_of_images(tmp_path, grey=Image.new("L", (6, 6)), colour=Image.new("RGB", (9, 6)))
    keys = {"folder": ".", "normalisation": [0, 1], "split": {"validation": 2}}
    with pytest.raises(InputError, match="has images of different shapes, such as "):
        read_data("mine", DatasetEntry(**keys), tmp_path, root)
    entry = DatasetEntry(**keys, size=5, channels="luma")
    assert read_data("mine", entry, tmp_path, root).images["train"].shape == (4, 1, 5, 5)


@pytest.mark.parametrize("spoil", ["no image", "16 bits", "no train"])
def test_a_folder_that_cannot_be_read_is_one_line(tmp_path, spoil):
    root = folder_of_images(tmp_path / "data", a=Image.new("L", (4, 4)), b=Image.new("L", (4, 4)))
    if spoil == "no image":
        (root / "train/a/0.png").write_bytes(b"text")
    elif spoil == "16 bits":
        Image.fromarray(np.zeros((4, 4), np.uint16)).save(root / "train/a/0.png")
    else:
        (root / "train").rename(root / "training")
    with pytest.raises(InputError, match=str(root)) as caught:
        read_data("mine", DatasetEntry(folder="data", normalisation=[0, 1], split={"validation": 2}), tmp_path, root)
    assert "\n" not in str(caught.value)


def write_idx(folder: Path, prefix: str, samples: int, classes: int, *, packed: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pixels = RNG.integers(0, 256, (samples, 28, 28), dtype=np.uint8)
    labels = (np.arange(samples) % classes).astype(np.uint8)
    for kind, values in (("images-idx3", pixels), ("labels-idx1", labels)):
        content = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()
        name = f"{prefix}-{kind}-ubyte"
        (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(content) if packed else content)


@pytest.mark.parametrize("packed", [False, True])
def test_any_torchvision_class_is_read_by_its_name(tmp_path, packed):
    """KMNIST's files, packed or not, though torchvision unpacks only what it downloads."""
    for prefix, samples in (("train", TRAIN), ("t10k", TEST)):
        write_idx(tmp_path / "KMNIST/raw", prefix, samples, 10, packed=packed)
    entry = DatasetEntry(torchvision="KMNIST", classes=10, normalisation=[0, 1], split={"validation": 4})
    assert len(read_data("kmnist", entry, tmp_path).labels["train"]) == TRAIN - 4


def test_a_class_with_arguments_of_its_own(tmp_path):
    for prefix, samples in (("train", TRAIN), ("test", TEST)):
        write_idx(tmp_path / "EMNIST/raw", f"emnist-digits-{prefix}", samples, 10, packed=False)
    entry = DatasetEntry(
        torchvision="EMNIST", arguments={"split": "digits"}, classes=10, normalisation=[0, 1], split={"validation": 4}
    )
    assert len(read_data("emnist", entry, tmp_path).labels["test"]) == TEST


def test_an_unknown_torchvision_class_is_named(tmp_path):
    with pytest.raises(InputError, match="torchvision has no data set 'CIFAR1000'"):
        read_data("mine", DatasetEntry(torchvision="CIFAR1000", normalisation=[0, 1]), tmp_path)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"normalisation": [0, 1]}, "exactly one of torchvision, npz, folder, zoo, scikit_learn"),
        ({"npz": "a", "folder": "b", "normalisation": [0, 1]}, "exactly one of"),
        ({"npz": "a"}, "normalisation is missing"),
        ({"npz": "a", "subfolder": "b", "normalisation": [0, 1]}, "are torchvision's"),
        ({"zoo": "z", "size": 3}, "taken as they are"),
        (
            {"npz": "a", "normalisation": [0, 1], "split": {"train": 1.5}},
            "neither a whole number of images",
        ),
        ({"npz": "a", "normalisation": [0, 1], "classes": ["a", "a"]}, "a is listed twice"),
        ({"npz": "a", "normalisation": [0]}, "normalisation"),
        ({"torchvision": "os.system", "normalisation": [0, 1]}, "pattern"),
    ],
)
def test_entries_that_cannot_be_are_refused(keys, message):
    with pytest.raises(ValidationError, match=message):
        DatasetEntry(**keys)


def test_entries_survive_the_way_through_a_rules_parameters():
    for name, entry in built_in().items():
        assert Request.of({"name": name, "entry": entry.plain(), "files": None}) == Request(name, entry)
    assert Request.of("archive") is None


def test_labels_mean_the_same_where_entries_say_so():
    sets = built_in()
    assert same_labels(sets["mnist"], sets["svhn"])
    assert same_labels(sets["fashion_mnist"], sets["fashion_mnist_mini"])
    assert not same_labels(sets["cifar10"], sets["stl10_32"])
    mine = DatasetEntry(npz="a", normalisation=[0, 1])
    assert not same_labels(mine, DatasetEntry(npz="b", normalisation=[0, 1]))
    assert same_labels(mine, mine)


def test_the_catalogue_says_how_many_classes_a_zoos_own_data_have():
    part = {split: torch.tensor([0, 3], dtype=torch.uint8) for split in ("train", "validation", "test")}
    data = StoredData(part, part, (0.5,), (0.5,), classes=10)
    wanted = Request("mine", DatasetEntry(npz="a", normalisation=[0, 1], classes=6))
    assert with_classes(data, wanted, "dataset.pt").classes == 6
    assert with_classes(data, None, "dataset.pt").classes == 10
    with pytest.raises(InputError, match="has a label 3, and the catalogue says 3 classes"):
        with_classes(data, Request("mine", wanted.entry.model_copy(update={"classes": 3})), "dataset.pt")
