"""Shifted test images: corrupted at five severities, or of another data set.

Noise, blur, contrast and JPEG have the severities of CIFAR-C (hendrycks/robustness, `make_cifar_c.py`) for images of 32
pixels and of MNIST-C (google-research/mnist-c, `corruptions.py`) for 28; those of rotation, translation and shear are
ours, and so are all of images of another size. Pixels are corrupted before normalisation and rounded to 8 bits again,
as those data sets are stored. All of it is deterministic: noise comes from the counter-based generator, an image's by
its place among the test images.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from math import ceil
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor

from zootwins.architectures.architecture import CLASSES
from zootwins.images import SEVERITIES
from zootwins.images.datasets import StoredData, normalise
from zootwins.images.torchvision_files import import_torchvision
from zootwins.population import ImageSet
from zootwins.population.randomness import normals
from zootwins.run.errors import InputError
from zootwins.run.keys import stream_key
from zootwins.storage import tensor_files
from zootwins.storage.files import remedy

_AT_ONCE = 1024  # images whose noise is held at a time

# The parameter of each severity, by the edge of the images in pixels.
_SMALL, _LARGE = 28, 32
PARAMETERS = {
    "noise": {_SMALL: (0.08, 0.12, 0.18, 0.26, 0.38), _LARGE: (0.04, 0.06, 0.08, 0.09, 0.10)},  # standard deviation
    "blur": {_SMALL: (1, 2, 3, 4, 6), _LARGE: (0.4, 0.6, 0.7, 0.8, 1)},  # standard deviation in pixels
    "contrast": {_SMALL: (0.4, 0.3, 0.2, 0.1, 0.05), _LARGE: (0.75, 0.5, 0.4, 0.3, 0.15)},  # what is left of it
    "jpeg": {_SMALL: (25, 18, 15, 10, 7), _LARGE: (80, 65, 58, 50, 40)},  # quality
    "rotation": dict.fromkeys((_SMALL, _LARGE), (10, 20, 30, 40, 50)),  # degrees
    "translation": dict.fromkeys((_SMALL, _LARGE), (1, 2, 3, 4, 5)),  # pixels, to the right and down
    "shear": dict.fromkeys((_SMALL, _LARGE), (10, 20, 30, 40, 50)),  # degrees
}


_IN_PIXELS = ("blur", "translation")


def corrupt(images: Tensor, corruption: str, severity: int) -> Tensor:
    """Corrupt images.

    Args:
        images: uint8 `[samples, channels, height, width]`; the whole of a set, since noise goes by an image's place.
        corruption: one of `PARAMETERS`.
        severity: from 1 to 5.

    """
    return _CORRUPTIONS[corruption](images, parameter(corruption, severity, min(images.shape[-2:])))


def parameter(corruption: str, severity: int, edge: int) -> float:
    """Return the strength of a corruption of images with an edge of so many pixels.

    Of other sizes than 28 and 32 it is that of 32; lengths in pixels grow with the edge.
    """
    known = PARAMETERS[corruption]
    if edge in known:
        return known[edge][severity - 1]
    strength = known[_LARGE][severity - 1]
    return strength * edge / _LARGE if corruption in _IN_PIXELS else strength


def _noise(images: Tensor, deviation: float) -> Tensor:
    pixels = images[0].numel()
    key = torch.tensor([stream_key("corruption", "noise")])
    parts = []
    for first in range(0, len(images), _AT_ONCE):
        part = images[first : first + _AT_ONCE]
        numbers = normals(key, 0, first, len(part), -(-pixels // 4) * 4)[0, :, :pixels]
        noisy = part.float() / 255 + deviation * numbers.view(part.shape)
        parts.append((noisy.clamp(0, 1) * 255).round().to(torch.uint8))
    return torch.cat(parts)


def _blur(images: Tensor, deviation: float) -> Tensor:
    kernel = 2 * round(4 * deviation) + 1  # to four standard deviations, as scipy and skimage cut it
    return _functional().gaussian_blur(images, [kernel, kernel], [float(deviation)] * 2)


def _contrast(images: Tensor, left: float) -> Tensor:
    return _functional().adjust_contrast(images, left)


def _jpeg(images: Tensor, quality: int) -> Tensor:
    """Compress by Pillow: torchvision's own needs an extension that is not built for every torch."""
    return torch.stack([_jpeg_image(image, quality) for image in images])


def _jpeg_image(image: Tensor, quality: int) -> Tensor:
    """Compress an image `[channels, height, width]` of one channel (grey) or three."""
    buffer = BytesIO()
    pixels = image[0] if len(image) == 1 else image.movedim(0, -1)
    Image.fromarray(pixels.numpy()).save(buffer, "JPEG", quality=quality)
    stored = torch.from_numpy(np.array(Image.open(buffer)))
    return stored[None] if stored.ndim == 2 else stored.movedim(-1, 0)


def _rotation(images: Tensor, degrees: float) -> Tensor:
    return _affine(images, angle=degrees)


def _translation(images: Tensor, pixels: float) -> Tensor:
    return _affine(images, translate=[ceil(pixels)] * 2)


def _shear(images: Tensor, degrees: float) -> Tensor:
    return _affine(images, shear=[float(degrees), 0.0])


def _affine(
    images: Tensor, angle: float = 0.0, translate: Sequence[float] = (0, 0), shear: Sequence[float] = (0.0, 0.0)
) -> Tensor:
    """Transform images bilinearly; what comes in from outside is black."""
    bilinear = import_torchvision().transforms.InterpolationMode.BILINEAR
    return _functional().affine(images, angle, list(translate), 1.0, list(shear), interpolation=bilinear)


def _functional():
    import_torchvision()
    from torchvision.transforms.v2 import functional

    return functional


_CORRUPTIONS: Mapping[str, Callable[[Tensor, float], Tensor]] = {
    "noise": _noise,
    "blur": _blur,
    "contrast": _contrast,
    "jpeg": _jpeg,
    "rotation": _rotation,
    "translation": _translation,
    "shear": _shear,
}


@dataclass(frozen=True)
class ShiftedSet:
    """Images that are distributed otherwise than a zoo's own.

    Attributes:
        name: of a corruption, or of a data set.
        severity: of the corruption, from 1; 0 for a data set.
        images: normalised as the zoo's own.
    """

    name: str
    severity: int
    images: ImageSet


def save_shifted(
    path: str | Path, data: StoredData, others: Mapping[str, StoredData], provenance: Mapping[str, str]
) -> None:
    """Write the corruptions of a data set's test images, and the test images of other data sets.

    Data without pixels (a foreign `dataset.pt`, normalised in an unknown way) has none of either.

    Raises:
        InputError: for another data set without pixels, or of another shape.
    """
    test = data.images["test"]
    tensors: dict[str, Tensor] = {}
    if test.dtype == torch.uint8:
        for name in PARAMETERS:
            tensors[f"{name}/labels"] = data.labels["test"].clone()
            tensors |= {f"{name}/{severity}": corrupt(test, name, severity) for severity in SEVERITIES}
        for name, other in others.items():
            tensors[f"{name}/0"], tensors[f"{name}/labels"] = _other(name, other, test)
    described = {name: json.dumps(getattr(data, name)) for name in ("mean", "std", "classes")}
    tensor_files.write(path, "shifted", tensors, described, provenance)


def _other(name: str, other: StoredData, like: Tensor) -> tuple[Tensor, Tensor]:
    """Test images and labels of another data set."""
    images = other.images["test"]
    if images.dtype != torch.uint8:
        raise InputError(f"configuration: soups.shifted_sets: images of {name} are no pixels; take another")
    if images.shape[1:] != like.shape[1:]:
        raise InputError(
            f"configuration: soups.shifted_sets: images of {name} are {list(images.shape[1:])}, those of the zoo "
            f"{list(like.shape[1:])}; take another"
        )
    return images, other.labels["test"]


def shifted_sets(path: str | Path) -> Iterator[ShiftedSet]:
    """Read what `save_shifted` wrote, a set at a time, in the order of names and severities.

    Raises:
        InputError: if the file is not as it was written.
    """
    metadata, shapes = tensor_files.check(path, "shifted")
    try:
        mean, std = (tuple(map(float, json.loads(metadata[key]))) for key in ("mean", "std"))
        classes = int(json.loads(metadata.get("classes", str(CLASSES))))  # files of version 0.2 have ten
        names = [name.split("/") for name in sorted(shapes) if not name.endswith("/labels")]
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path}: holds something else than shifted images; {remedy(path)}") from None
    with safe_open(path, "pt") as file:
        for name, severity in names:
            pixels, labels = file.get_tensor(f"{name}/{severity}"), file.get_tensor(f"{name}/labels")
            yield ShiftedSet(name, int(severity), ImageSet(normalise(pixels, mean, std), labels.long(), classes))
