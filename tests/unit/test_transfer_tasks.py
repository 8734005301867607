"""Tasks: images in a zoo's shape and normalisation, splits kept, variants, against PIL."""

import numpy as np
import pytest
import torch
from PIL import Image

from zootwins.catalogue.transfer import TaskSource
from zootwins.experiments.transfer.tasks import fitted, prepare_task
from zootwins.images.datasets import HALF, MNIST, SPLITS, StoredData, load_dataset, save_dataset
from zootwins.run.errors import InputError

SIZES = {"train": 30, "validation": 11, "test": 13}


def stored(channels=1, edge=28, normalisation=HALF, seed=0) -> StoredData:
    rng = np.random.default_rng(seed)
    images = {
        split: torch.from_numpy(rng.integers(0, 256, (n, channels, edge, edge), dtype=np.uint8))
        for split, n in SIZES.items()
    }
    labels = {split: torch.from_numpy(rng.integers(0, 10, n).astype(np.uint8)) for split, n in SIZES.items()}
    mean, std = ((value * channels)[:channels] for value in normalisation)
    return StoredData(images, labels, mean, std)


def test_a_zoos_own_data_is_left_as_it_is(tmp_path):
    own = stored(normalisation=MNIST)
    save_dataset(tmp_path / "own.safetensors", own, {})
    save_dataset(tmp_path / "task.safetensors", prepare_task(own, own), {})
    before, after = (load_dataset(tmp_path / f"{name}.safetensors") for name in ("own", "task"))
    for split in SPLITS:
        assert torch.equal(getattr(before, split).images, getattr(after, split).images)
        assert torch.equal(getattr(before, split).labels, getattr(after, split).labels)


@pytest.mark.parametrize(("name", "channels", "edge"), [("cnn_s", 1, 28), ("cnn_l", 3, 32)])
@pytest.mark.parametrize("from_channels", [1, 3])
def test_images_get_the_shape_that_pil_gives_them(name, channels, edge, from_channels):
    data, upstream = stored(from_channels, 32, seed=1), stored(channels, edge, MNIST, seed=2)
    task = prepare_task(data, upstream)
    assert (task.mean, task.std) == (upstream.mean, upstream.std)
    for split in SPLITS:
        assert torch.equal(task.labels[split], data.labels[split])
        for image, made in zip(data.images[split], task.images[split], strict=True):
            pil = Image.fromarray(image[0].numpy() if from_channels == 1 else image.permute(1, 2, 0).numpy())
            if channels == 1:
                pil = pil.convert("L")
            pixels = np.asarray(pil.resize((edge, edge), Image.Resampling.BILINEAR))
            expected = np.stack([pixels] * channels) if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
            assert np.array_equal(made.numpy(), expected)


def test_shapes_that_fit_are_not_touched():
    images = torch.arange(256, dtype=torch.uint8).repeat(4)[:784].view(1, 1, 28, 28)
    assert torch.equal(fitted(images, 1, 28), images)


def test_variants():
    data = stored(seed=3)
    rotated, inverted, shuffled = (prepare_task(data, data, variant) for variant in ("rotated", "inverted", "shuffled"))
    order = None
    for split in SPLITS:
        for image, turned, quarters in zip(
            data.images[split], rotated.images[split], rotated.labels[split], strict=True
        ):
            assert np.array_equal(np.rot90(image[0].numpy(), int(quarters)), turned[0].numpy())
        assert torch.equal(inverted.images[split] + data.images[split], torch.full_like(data.images[split], 255))
        before, after = data.images[split].flatten(1), shuffled.images[split].flatten(1)
        assert torch.equal(before.sort(1).values, after.sort(1).values)
        if order is None:  # where each pixel went, read from the columns; the same in all splits
            columns = {tuple(column): place for place, column in enumerate(before.T.tolist())}
            order = [columns[tuple(column)] for column in after.T.tolist()]
        assert torch.equal(before[:, order], after)
        assert not torch.equal(before, after)
        assert torch.equal(inverted.labels[split], data.labels[split])
        assert torch.equal(shuffled.labels[split], data.labels[split])
    assert set(rotated.labels["train"].tolist()) == {0, 1, 2, 3}
    assert torch.equal(prepare_task(data, data, "rotated").labels["test"], rotated.labels["test"])


def test_data_without_pixels_is_refused():
    data = stored()
    floats = StoredData({split: images / 2.5 for split, images in data.images.items()}, data.labels, (0.0,), (1.0,))
    for task, upstream, whose in ((floats, data, "the task"), (data, floats, "the zoo")):
        with pytest.raises(InputError, match=f"data set of {whose} .* name a data set of the catalogue"):
            prepare_task(task, upstream)


@pytest.mark.parametrize(
    ("task", "source"),
    [
        ("digits", ("", "digits", "")),
        ("digits:inverted", ("", "digits", "inverted")),
        ("zoo:mini", ("mini", "", "")),
        ("zoo:mini:shuffled", ("mini", "", "shuffled")),
    ],
)
def test_names_of_tasks(task, source):
    assert TaskSource.of(task) == source
