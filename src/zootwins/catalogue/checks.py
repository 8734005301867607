"""Checks of a whole catalogue: that its zoos exist, have unique names, and agree with one another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zootwins.catalogue.yaml_files import read_yaml
from zootwins.run.errors import InputError

if TYPE_CHECKING:
    from zootwins.catalogue.entries import Zoo


def check_known(key: str, zoos: Iterable[str], entries: Mapping[str, Any], where: str) -> None:
    for zoo in zoos:
        if zoo not in entries:
            raise InputError(f"configuration: {key}: {zoo!r} is not in {where}; it has {', '.join(entries)}")


def check_titles(catalogue: Mapping[str, Zoo], where: str) -> None:
    """Refuse two zoos of one title, which tables and figures could not distinguish."""
    first: dict[str, str] = {}
    for zoo in catalogue.values():
        if first.setdefault(zoo.title, zoo.id) != zoo.id:
            raise InputError(
                f"{where}: zoos.{zoo.id}.title: {zoo.title!r} is the title of {first[zoo.title]} too; change one"
            )


def check_twins(zoo: Zoo, catalogue: Mapping[str, Zoo], where: str) -> None:
    """Refuse an entry of published twins that contradicts its originals' or asks for what is not imported."""
    originals = catalogue.get(zoo.twins_of)
    if originals is None or originals.twins_of is not None:
        raise InputError(
            f"{where}: zoos.{zoo.id}.twins_of: {zoo.twins_of!r} is no zoo of originals in this catalogue; correct it"
        )
    for key in ("dataset", "architecture"):
        if getattr(zoo, key) != getattr(originals, key):
            raise InputError(f"{where}: zoos.{zoo.id}.{key}: is not that of {originals.id}; make them the same")
    if zoo.train or zoo.epoch is not None:
        raise InputError(
            f"{where}: zoos.{zoo.id}: twins_of takes variational twins from an archive or directory; "
            "leave out epoch and source.train"
        )


def read_catalogue(path: Path) -> Any:
    """Read a catalogue's file."""
    if not path.exists():
        raise InputError(f"{path}: there is no such catalogue; correct the configuration's key catalogue")
    return read_yaml(path)
