"""Identify a zoo's folder by the content of the files that are read of it, so that nothing else causes a rerun."""

import hashlib
from pathlib import Path

from zootwins.run.errors import one_line
from zootwins.run.provenance import digest
from zootwins.zoos.archives import open_members
from zootwins.zoos.dialects import open_zoo


def folder_digest(path: str | Path, epoch: int | str | None, dialect: str | None = None) -> str:
    """Return a digest of names and contents of the files that importing a zoo reads of a folder.

    Args:
        path: the folder.
        epoch: of each model's checkpoint that is read; its last one if None; `all` of them for published twins.
        dialect: see `dialects.open_zoo`.

    Raises:
        InputError: if there is no zoo.
    """
    with open_members(path) as members:
        zoo = open_zoo(members, dialect)
        contents = [(name, _file_digest(Path(path) / name)) for name in sorted(zoo.files(epoch))]
        return digest([zoo.id, list(zoo.names), contents])


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()
    except OSError as error:  # importing excludes its model
        return one_line(error)
