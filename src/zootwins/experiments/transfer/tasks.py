"""Tasks to transfer to: any data set, as a zoo's networks can read it, and what can be derived from one.

Splits are kept, so that no test image is trained on. Images are normalised as those that the zoo was trained on, in
both modes of transfer (the paper: in linear transfer alone).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from zootwins.images.datasets import SPLIT_SEED, SPLITS, StoredData, grey, resized
from zootwins.run.errors import InputError

TURNS = 4  # classes of the task `rotated`
Variant = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]


def prepare_task(data: StoredData, upstream: StoredData, variant: str = "") -> StoredData:
    """Prepare a data set's images in the shape and normalisation of a zoo's input.

    Args:
        data: the data set.
        upstream: that of the zoo.
        variant: one of `VARIANTS`, or nothing.

    Raises:
        InputError: if one of the two is not stored as pixels.
    """
    for kept, whose in ((data, "the task"), (upstream, "the zoo")):
        if kept.images["test"].dtype != torch.uint8:
            raise InputError(
                f"transfer.tasks: the data set of {whose} is a dataset.pt without pixels, which cannot be normalised "
                "as the other's; name a data set of the catalogue for it"
            )
    channels, edge = upstream.images["test"].shape[1:3]
    images = {split: fitted(data.images[split], channels, edge) for split in SPLITS}
    labels = dict(data.labels)
    if variant:
        for number, split in enumerate(SPLITS):
            generator = torch.Generator().manual_seed(SPLIT_SEED + number)
            images[split], labels[split] = VARIANTS[variant](images[split], labels[split], generator)
    classes = max(data.classes, TURNS) if variant == "rotated" else data.classes
    return StoredData(images, labels, upstream.mean, upstream.std, classes)


def fitted(images: Tensor, channels: int, edge: int) -> Tensor:
    """Resize and recolour uint8 `[samples, 1 or 3, height, width]` to `[samples, channels, edge, edge]`, if needed.

    Colour becomes luminance, grey is repeated; another size is resized, bilinear.
    """
    if channels == 1 and images.shape[1] == 3:
        images = grey(images)
    if images.shape[2:] != (edge, edge):
        images = resized(images, edge)
    return images.repeat(1, channels // images.shape[1], 1, 1)


def _rotated(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Turn each image by 0 to 3 quarters; the number of quarters is its class."""
    turns = torch.randint(TURNS, (len(images),), generator=generator)
    turned = images.clone()
    for quarters in range(1, TURNS):
        turned[turns == quarters] = images[turns == quarters].rot90(quarters, (2, 3))
    return turned, turns.to(torch.uint8)


def _inverted(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Swap black and white."""
    return 255 - images, labels


def _shuffled(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Permute the pixels of all images of all splits alike: neighbourhoods are lost."""
    pixels = images[0, 0].numel()
    order = torch.randperm(pixels, generator=torch.Generator().manual_seed(SPLIT_SEED))
    return images.flatten(2)[..., order].view_as(images), labels


VARIANTS: dict[str, Variant] = {"rotated": _rotated, "inverted": _inverted, "shuffled": _shuffled}
