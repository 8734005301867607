"""A data set in the catalogue: where its images come from, and how they are prepared and split.

Snakemake reads this module whenever it starts, so that it imports neither torch nor torchvision.
"""

from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, model_validator

from zootwins.run.settings import Once, Positive, Section

KINDS = ("torchvision", "npz", "folder", "zoo", "scikit_learn")
SPLIT_SEED = 42


def _count_or_share(value: float) -> float:
    if value >= 1 and value != int(value):
        raise ValueError("is neither a whole number of images nor a share below 1")
    return int(value) if value >= 1 else value


Part = Annotated[float, Field(gt=0), AfterValidator(_count_or_share)]


class Split(Section):
    """Numbers of images, or shares below 1 of those that are divided; the origin's own test images stay apart."""

    train: Part | None = Field(None, description="Images that are trained on; all others if absent.")
    validation: Part | None = Field(None, description="Images that settings are chosen on; the origin's own if absent.")
    test: Part | None = Field(None, description="Images that networks are tested on; the origin's own if absent.")
    seed: int = Field(SPLIT_SEED, ge=0, description="Of the order in which images are divided.")


class Limit(Section):
    """Numbers of images of each split that are used, its first ones; all if absent."""

    train: int | None = Field(None, ge=1, description="Images that are trained on.")
    validation: int | None = Field(None, ge=1, description="Images that settings are chosen on.")
    test: int | None = Field(None, ge=1, description="Images that networks are tested on.")


class Normalisation(Section):
    """Mean and standard deviation of pixels in 0 … 1, for each channel or one for all."""

    mean: tuple[float, ...] = Field(min_length=1, description="Subtracted from the pixels, which are in 0 … 1.")
    std: tuple[Positive, ...] = Field(min_length=1, description="What the result is divided by.")


class DatasetEntry(Section):
    """A data set of images: one origin, and how its images are prepared, in the order of the keys."""

    torchvision: str | None = Field(
        None,
        pattern="^[A-Za-z][A-Za-z0-9]*$",
        description="A class of torchvision.datasets, such as CIFAR100; its files are in `data_dir` or downloaded into "
        "it.",
    )
    arguments: dict[str, Any] = Field({}, description="More arguments of that class, such as `{split: letters}`.")
    subfolder: str | None = Field(
        None, description="Folder within `data_dir` that has that class's files; then nothing is downloaded."
    )
    npz: str | None = Field(
        None,
        description="A file of NumPy arrays train_images, train_labels, test_images, test_labels and, if there are "
        "any, validation_images and validation_labels; pixels are uint8.",
    )
    folder: str | None = Field(
        None, description="A folder with train/{class}/ and, if there are any, validation/{class}/ and test/{class}/."
    )
    zoo: str | None = Field(None, description="A zoo of the catalogue whose data are taken as they are.")
    scikit_learn: Literal["digits"] | None = Field(None, description="scikit-learn's 1,797 digits of 8×8 pixels.")
    classes: Annotated[int, Field(ge=2, le=32_767)] | Annotated[tuple[str, ...], Field(min_length=2), Once] | None = (
        Field(None, description="Number of classes, or their names; those among the labels if absent.")
    )
    channels: Literal["keep", "luma", "mean"] = Field(
        "keep", description="Colour images as they are, as their luminance (PIL's formula), or as the channels' mean."
    )
    crop: int | None = Field(None, ge=1, description="Edge of the square that is cut from the centre, in pixels.")
    size: int | None = Field(None, ge=1, description="Edge that images are resized to (bilinear), in pixels.")
    normalisation: Annotated[tuple[float, ...], Field(min_length=2, max_length=2)] | Normalisation | None = Field(
        None, description="What pixels become: a range, `[0, 1]` or `[-1, 1]`, or `{mean: [...], std: [...]}`."
    )
    split: Split = Field(Split())
    limit: Limit = Field(Limit(), description="Of each split, only so many of its first images are used.")
    labels: str | None = Field(
        None, description="What the labels mean, such as `digits`: data sets with the same word have the same classes."
    )

    @model_validator(mode="after")
    def _one_origin(self) -> "DatasetEntry":
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"needs exactly one of {', '.join(KINDS)}")
        if not self.torchvision and (self.arguments or self.subfolder):
            raise ValueError("arguments and subfolder are torchvision's; leave them out")
        if self.zoo:
            if self.model_fields_set - {"zoo", "labels"}:
                raise ValueError("the data of a zoo are taken as they are; leave the other keys out")
        elif self.normalisation is None:
            raise ValueError("normalisation is missing; write the one that the networks were or will be trained with")
        return self

    @property
    def origin(self) -> str:
        """Where the images come from, for people."""
        if self.zoo:
            return f"data of {self.zoo}"
        if self.scikit_learn:
            return f"scikit-learn: {self.scikit_learn}"
        return f"torchvision: {self.torchvision}" if self.torchvision else Path(self.npz or self.folder).name

    @property
    def path(self) -> str | None:
        """The user's own file or folder, if the images come from one."""
        return self.npz or self.folder

    def mean_and_std(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return the normalisation of images of so many channels.

        Raises:
            ValueError: if there are values for another number of channels.
        """
        given = self.normalisation
        if isinstance(given, Normalisation):
            mean, std = given.mean, given.std
        else:
            low, high = given
            mean, std = (low / (low - high) + 0.0,), (1 / (high - low),)  # + 0.0: no negative zero
        if {len(mean), len(std)} - {1, channels}:
            raise ValueError(f"normalisation has {len(mean)} and {len(std)} values, and images {channels} channels")
        return tuple((values * channels)[:channels] for values in (mean, std))

    def plain(self) -> dict[str, Any]:
        """Return what is set, as plain values that make an equal entry."""
        return self.model_dump(mode="json", exclude_defaults=True)


@cache
def built_in() -> dict[str, DatasetEntry]:
    """Return the data sets that every catalogue has: the paper's, the bundled one, and scikit-learn's digits."""
    path = Path(__file__).with_name("datasets.yaml")
    return {name: DatasetEntry(**entry) for name, entry in yaml.safe_load(path.read_text(encoding="utf-8")).items()}


def same_labels(one: DatasetEntry, other: DatasetEntry) -> bool:
    """Whether the labels of two data sets mean the same."""
    return one == other or (one.labels is not None and one.labels == other.labels)
