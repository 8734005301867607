"""A zoo's own dataset.pt: read in the forms that public code leaves, and refused in one line where it is no data."""

import logging

import pytest
import torch
from torch.utils.data import TensorDataset

from raw_zoos import code_pickles, dataset, image_tensors, torch_bytes
from zootwins.images import datasets
from zootwins.images.datasets import StoredData, as_trained_on, load_dataset, load_stored, save_dataset
from zootwins.run.errors import InputError
from zootwins.zoos.dataset_files import read_dataset_pt


@pytest.mark.parametrize("normalisation", [datasets.MNIST, datasets.HALF], ids=["mnist", "half"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_data_set_of_normalised_pixels_is_stored_as_pixels(normalisation, channels, tmp_path):
    """Every pixel value there is, by the published normalisations, comes back bit for bit."""
    mean, std = ((value * channels)[:channels] for value in normalisation)
    values = torch.arange(256, dtype=torch.uint8).repeat(4)[:784].view(1, 1, 28, 28)
    stored = StoredData(
        {split: values.repeat(3, channels, 1, 1) for split in datasets.SPLITS},
        {split: torch.tensor([0, 5, 9], dtype=torch.uint8) for split in datasets.SPLITS},
        mean,
        std,
    )
    back = read_dataset_pt(torch_bytes(as_trained_on(stored)), "zoo")
    assert (back.mean, back.std) == (mean, std)
    for split in datasets.SPLITS:
        assert torch.equal(back.images[split], stored.images[split])
        assert torch.equal(back.labels[split], stored.labels[split])


def test_a_data_set_of_other_numbers_is_stored_as_it_is(tmp_path):
    images, labels = image_tensors()
    images[0, 0, 3, 3] += 1e-6
    data = read_dataset_pt(torch_bytes(dataset(trainset=TensorDataset(images, labels))), "zoo")
    save_dataset(tmp_path / "dataset.safetensors", data, {"origin": "dataset.pt"})
    loaded = load_dataset(tmp_path / "dataset.safetensors")
    assert torch.equal(loaded.train.images, images)
    assert torch.equal(loaded.train.labels, labels)
    assert load_stored(tmp_path / "dataset.safetensors").images["test"].dtype == torch.float32


def test_no_data_set_runs_code(tmp_path):
    marker = tmp_path / "executed"
    for kind, content in code_pickles(marker).items():
        with pytest.raises(InputError, match="refused, not executed") as caught:
            read_dataset_pt(content, "zoo.zip: dataset.pt")
        assert "\n" not in str(caught.value), kind
        assert not marker.exists(), kind


IMAGES, IMAGE_LABELS = image_tensors()


def disguised(tensors) -> TensorDataset:
    """A TensorDataset that does not hold what its constructor would insist on."""
    part = TensorDataset(torch.zeros(1))
    part.tensors = tensors
    return part


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        dataset(testset=None),
        dataset(testset=disguised("text")),
        dataset(testset=disguised((IMAGES,))),
        dataset(testset=disguised((1, 2))),
        dataset(testset=disguised((IMAGES, IMAGE_LABELS[:-1]))),
        dataset(testset=TensorDataset(IMAGES[:, 0, 1:], IMAGE_LABELS)),
        dataset(testset=TensorDataset(IMAGES[:0], IMAGE_LABELS[:0])),
        dataset(testset=TensorDataset(IMAGES.repeat(1, 2, 1, 1), IMAGE_LABELS)),
        dataset(testset=TensorDataset(IMAGES[..., 1:], IMAGE_LABELS)),
        dataset(testset=TensorDataset(IMAGES / 0, IMAGE_LABELS)),
        dataset(testset=TensorDataset(IMAGES, IMAGE_LABELS + 32_767)),
        dataset(classes=5),
        dataset(testset=TensorDataset(IMAGES, -IMAGE_LABELS)),
        dataset(testset=TensorDataset(IMAGES, IMAGE_LABELS + 0.5)),
        dataset(testset=TensorDataset(IMAGES, torch.ones(12, 10))),
        dataset(testset=TensorDataset(torch.zeros(12, 1, 28, 28, dtype=torch.uint8), IMAGE_LABELS)),
        dataset(trainset=None),
        dataset(valset=None, trainset=TensorDataset(IMAGES[:1], IMAGE_LABELS[:1])),
        dataset(testset=TensorDataset(IMAGES[:1].expand(1 << 30, -1, -1, -1), IMAGE_LABELS[:1].expand(1 << 30))),
    ],
)
def test_what_is_no_data_set_is_refused_in_one_line(content):
    with pytest.raises(InputError, match=r"zoo\.zip: dataset\.pt: ") as caught:
        read_dataset_pt(torch_bytes(content), "zoo.zip: dataset.pt")
    assert "\n" not in str(caught.value)


def each(change) -> dict:
    """A data set whose parts are changed: images and labels → images and labels."""
    return {k: TensorDataset(*change(*v.tensors)) if isinstance(v, TensorDataset) else v for k, v in dataset().items()}


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (each(lambda x, y: (x, y.float())), "labels of torch.float32"),
        (each(lambda x, y: (x, y.int())), ""),
        (each(lambda x, y: (x, y[:, None])), "labels in a column"),
        (each(lambda x, y: (x, y[:, None].double())), "labels in a column"),
        (each(lambda x, y: (x, torch.nn.functional.one_hot(y, 10))), "one-hot labels"),
        (each(lambda x, y: (x.double(), y)), ""),
        (each(lambda x, y: (x[:, 0], y)), "images without a channel"),
        ({k: v.tensors if isinstance(v, TensorDataset) else v for k, v in dataset().items()}, ""),
    ],
)
def test_other_forms_of_the_same_data_are_the_same_data(content, note, caplog):
    caplog.set_level(logging.INFO)
    usual, other = (read_dataset_pt(torch_bytes(value), "zoo.zip: dataset.pt") for value in (dataset(), content))
    assert note in caplog.text
    for split in datasets.SPLITS:
        assert torch.equal(usual.images[split], other.images[split])
        assert torch.equal(usual.labels[split], other.labels[split])


def test_without_a_validation_split_some_training_images_are_it_and_the_log_says_so(caplog):
    images, labels = image_tensors(40, seed=5)
    content = dataset(trainset=TensorDataset(images, labels))
    del content["valset"]
    data = read_dataset_pt(torch_bytes(content), "zoo.zip: dataset.pt")
    assert "has no valset: 4 of its training images" in caplog.text
    assert [len(data.labels[split]) for split in datasets.SPLITS] == [36, 4, 12]
    whole = read_dataset_pt(torch_bytes(dataset(trainset=TensorDataset(images, labels))), "zoo").images["train"]
    parts = torch.cat([data.images["train"], data.images["validation"]])
    assert sorted(image.numpy().tobytes() for image in parts) == sorted(image.numpy().tobytes() for image in whole)


def test_pixels_whose_normalisation_is_unknown_are_refused_with_the_remedy():
    content = each(lambda x, y: ((x * 127 + 128).byte(), y))
    with pytest.raises(InputError, match=r"images of torch\.uint8, and how they were .* normalised float images"):
        read_dataset_pt(torch_bytes(content), "zoo.zip: dataset.pt")
