"""The data sets of a catalogue: those that every catalogue has, its own, and those written inside a zoo's entry."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from zootwins.catalogue.messages import validated
from zootwins.images.entries import DatasetEntry, built_in, same_labels
from zootwins.run.errors import InputError

ARCHIVE = "archive"  # instead of a data set's name: the one that the zoo's archive brings along


def named_datasets(own: Mapping[str, DatasetEntry], where: str) -> dict[str, DatasetEntry]:
    """Return the data sets that a catalogue's zoos may name.

    Raises:
        InputError: if the catalogue gives one of the names that every catalogue has to another data set.
    """
    for name in own:
        if name == ARCHIVE or own[name] != built_in().get(name, own[name]):
            raise InputError(f"{where}: datasets.{name}: every catalogue has a data set of this name; choose another")
    return {**built_in(), **own}


def zoo_dataset(zoo: str, given: str | dict[str, Any], datasets: dict[str, DatasetEntry], where: str) -> str:
    """Return the name of a zoo's data set; one written inside the zoo's entry joins `datasets`.

    Raises:
        InputError: if there is no data set of this name, or the section is wrong.
    """
    if isinstance(given, str):
        if given != ARCHIVE:
            check_dataset(given, datasets, f"{where}: zoos.{zoo}.dataset")
        return given
    entry = validated(DatasetEntry, given, where, f"zoos.{zoo}.dataset")
    same = next((name for name, other in datasets.items() if other == entry), None)
    if same is None:
        label = entry.origin.rpartition(": ")[2]
        same = label if label not in datasets and label != ARCHIVE else f"{label} of {zoo}"
        datasets[same] = entry
    return same


def check_dataset(name: str, datasets: Mapping[str, DatasetEntry], key: str) -> None:
    """Refuse the name of a data set that there is not.

    Args:
        key: file and key that the name is from, for messages.
    """
    if name not in datasets:
        near = get_close_matches(name, datasets, n=1)
        advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(datasets)}"
        raise InputError(f"{key}: {name!r} is no data set; {advice}")


def check_borrowed(datasets: Mapping[str, DatasetEntry], zoos: Mapping[str, str], where: str) -> None:
    """Refuse the data of a zoo that there is not, or that borrows them itself.

    Args:
        zoos: the name of each zoo's data set.
    """
    for name, entry in datasets.items():
        if entry.zoo is None:
            continue
        if entry.zoo not in zoos:
            raise InputError(f"{where}: data set {name}: zoo: {entry.zoo!r} is not in this catalogue; correct it")
        own = datasets.get(zoos[entry.zoo])
        if own is not None and own.zoo is not None:
            raise InputError(
                f"{where}: data set {name}: zoo: {entry.zoo} has no data of its own, but those of {own.zoo}; write "
                f"zoo: {own.zoo}"
            )


def same_classes(one: str, other: str, datasets: Mapping[str, DatasetEntry], zoos: Mapping[str, str]) -> bool:
    """Whether the labels of two data sets mean the same; those of an archive's own mean nothing that is known."""
    entries = [datasets.get(name) for name in (one, other)]
    entries = [datasets.get(zoos.get(entry.zoo, "")) if entry and entry.zoo else entry for entry in entries]
    return None not in entries and same_labels(*entries)
