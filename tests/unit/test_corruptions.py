import numpy as np
import pytest
import torch

from zootwins.images import CORRUPTIONS, corruptions
from zootwins.images.corruptions import PARAMETERS, SEVERITIES, corrupt, save_shifted, shifted_sets
from zootwins.images.datasets import StoredData, torchvision_data
from zootwins.run.errors import InputError


def pixels(samples=12, channels=1, edge=28) -> torch.Tensor:
    """Smooth pictures: a bright disc at some place."""
    generator = torch.Generator().manual_seed(0)
    centre = torch.randint(8, edge - 8, (samples, 2), generator=generator).float()
    axis = torch.arange(edge).float()
    distance = (axis[None, :, None] - centre[:, :1, None]) ** 2 + (axis[None, None] - centre[:, 1:, None]) ** 2
    return (255 * torch.exp(-distance / 40)).to(torch.uint8)[:, None].repeat(1, channels, 1, 1)


def data(images: torch.Tensor) -> StoredData:
    labels = torch.arange(len(images)).to(torch.uint8) % 10
    splits = ("train", "validation", "test")
    means = (0.5,) * images.shape[1]
    return StoredData(dict.fromkeys(splits, images), dict.fromkeys(splits, labels), means, means)


def test_the_names_that_figures_show_are_those_that_there_are():
    assert tuple(PARAMETERS) == CORRUPTIONS


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize(("channels", "edge"), [(1, 28), (3, 32)])
def test_images_move_further_away_with_every_severity(name, channels, edge):
    images = pixels(channels=channels, edge=edge)
    before = images.clone()
    changes = []
    for severity in SEVERITIES:
        changed = corrupt(images, name, severity)
        assert changed.dtype == torch.uint8
        assert changed.shape == images.shape
        assert torch.equal(changed, corrupt(images, name, severity))
        changes.append((changed.float() - images.float()).square().mean().item())
    assert torch.equal(images, before)
    assert changes[0] > 0
    assert changes == sorted(changes)


def test_noise_is_normal_with_its_deviation_and_an_images_own(monkeypatch):
    grey = torch.full((200, 1, 28, 28), 128, dtype=torch.uint8)
    noise = corrupt(grey, "noise", 1).float() / 255 - 128 / 255
    assert noise.std().item() == pytest.approx(0.08, rel=0.01)
    assert abs(noise.mean().item()) < 0.001
    assert not torch.equal(noise[0], noise[1])
    # by the image's place alone: in other portions, and without those after it
    monkeypatch.setattr(corruptions, "_AT_ONCE", 7)
    assert torch.equal(corrupt(grey[:50], "noise", 1), corrupt(grey, "noise", 1)[:50])


def test_contrast_keeps_what_it_says_of_the_distance_from_the_mean():
    images = pixels()
    left = corrupt(images, "contrast", 1).float()
    mean = images.float().mean((1, 2, 3), keepdim=True)
    np.testing.assert_allclose(left.numpy(), (mean + 0.4 * (images - mean)).numpy(), atol=1.01)


def test_translation_is_by_whole_pixels():
    images = pixels()
    moved = corrupt(images, "translation", 2)
    assert torch.equal(moved[..., 2:, 2:], images[..., :-2, :-2])
    assert (moved[..., :2, :] == 0).all()


def test_other_sizes_take_the_strength_of_32_pixels_and_lengths_that_grow_with_the_edge():
    for name, known in PARAMETERS.items():
        for edge in (28, 32):
            assert [corruptions.parameter(name, severity, edge) for severity in SEVERITIES] == list(known[edge])
        times = 3 if name in ("blur", "translation") else 1
        assert corruptions.parameter(name, 2, 96) == times * known[32][1]


def test_sets_come_back_normalised_and_in_order(tmp_path):
    stored = data(pixels())
    path = tmp_path / "shifted.safetensors"
    save_shifted(path, stored, {}, {})
    sets = list(shifted_sets(path))
    assert [(one.name, one.severity) for one in sets] == [(name, s) for name in sorted(PARAMETERS) for s in SEVERITIES]
    blur = next(one for one in sets if (one.name, one.severity) == ("blur", 3))
    expected = (corrupt(pixels(), "blur", 3).float() / 255 - 0.5) / 0.5
    torch.testing.assert_close(blur.images.images, expected)
    assert torch.equal(blur.images.labels, stored.labels["test"].long())


def test_other_data_sets_have_labels_of_their_own(tmp_path):
    other = data(pixels(samples=5))
    path = tmp_path / "shifted.safetensors"
    save_shifted(path, data(pixels()), {"usps": other}, {})
    last = list(shifted_sets(path))[-1]
    assert (last.name, last.severity, len(last.images)) == ("usps", 0, 5)
    with pytest.raises(InputError, match=r"images of svhn are \[1, 28, 28\], those of the zoo \[3, 32, 32\]"):
        save_shifted(path, data(pixels(channels=3, edge=32)), {"svhn": other}, {})


def test_scikit_learns_digits_are_a_set(tmp_path):
    path = tmp_path / "shifted.safetensors"
    save_shifted(path, data(pixels()), {"digits": torchvision_data("digits", tmp_path)}, {})
    digits = next(one for one in shifted_sets(path) if one.name == "digits")
    assert digits.images.images.shape == (500, 1, 28, 28)
    assert digits.images.labels.unique().tolist() == list(range(10))


def test_numbers_that_are_no_pixels_are_left_alone(tmp_path):
    path = tmp_path / "shifted.safetensors"
    save_shifted(path, data(pixels().float()), {"usps": data(pixels())}, {})
    assert list(shifted_sets(path)) == []
    with pytest.raises(InputError, match="not there"):
        list(shifted_sets(tmp_path / "other.safetensors"))
