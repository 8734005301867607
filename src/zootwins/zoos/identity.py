"""Identify a zoo's folder by the content of the files that are read of it, so that nothing else causes a rerun."""

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path

from zootwins.run.errors import InputError, one_line
from zootwins.run.provenance import digest
from zootwins.storage.files import replacing
from zootwins.zoos.archives import open_members
from zootwins.zoos.dialects import open_zoo

LARGE = 1 << 24  # bytes of a file whose digest is worth keeping
SETTLED = 2  # seconds after which a file that changes again has another time of change on any file system


class KnownDigests:
    """Digests of large files, kept in a file, so that each is read once and not whenever a workflow is planned.

    A file is taken for the one that was read if path, size and the times of change of its content and of its entry are
    the same, in nanoseconds. Files that changed a moment before they were read are not kept, since one more change
    could leave these times as they are.
    """

    def __init__(self, path: str | Path | None = None):
        """Read those that are known.

        Args:
            path: of the file, in a folder that is there or nothing is kept; None: nothing is.
        """
        self._path, self._known = path and Path(path), {}
        with suppress(OSError, ValueError, TypeError):  # a lost or damaged file costs time alone
            self._known = dict(json.loads(self._path.read_text(encoding="utf-8"))) if path else {}

    def of(self, path: Path) -> str:
        """Return the digest of a file's content; of one that cannot be read, the reason."""
        key = str(path.absolute())
        try:
            with path.open("rb") as file:
                state = self._state(file.fileno())
                if self._known.get(key, [None])[:-1] == state:
                    return self._known[key][-1]
                found = hashlib.file_digest(file, "blake2b").hexdigest()
                settled = time.time() - max(state[1:]) / 1e9 > SETTLED and self._state(file.fileno()) == state
        except OSError as error:  # importing excludes its model
            return one_line(error)
        if settled and state[0] >= LARGE:
            self._keep(key, [*state, found])
        return found

    @staticmethod
    def _state(descriptor: int) -> list[int]:
        status = os.fstat(descriptor)
        return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]

    def _keep(self, key: str, entry: list) -> None:
        self._known[key] = entry
        if self._path and self._path.parent.is_dir():
            with suppress(OSError, InputError), replacing(self._path) as temporary:
                temporary.write_text(json.dumps(self._known), encoding="utf-8")


def folder_digest(
    path: str | Path, epoch: int | str | None, dialect: str | None = None, known: str | Path | None = None
) -> str:
    """Return a digest of names and contents of the files that importing a zoo reads of a folder.

    Args:
        path: the folder.
        epoch: of each model's checkpoint that is read; its last one if None; `all` of them for published twins.
        dialect: see `dialects.open_zoo`.
        known: where digests of large files are kept; see `KnownDigests`.

    Raises:
        InputError: if there is no zoo.
    """
    digests = KnownDigests(known)
    with open_members(path) as members:
        zoo = open_zoo(members, dialect)
        contents = [(name, digests.of(Path(path) / name)) for name in sorted(zoo.files(epoch))]
        return digest([zoo.id, list(zoo.names), contents])


def lacks_epoch(path: str | Path, epoch: int, dialect: str | None = None) -> bool:
    """Return whether the files of an archive or folder show that no model has a checkpoint of an epoch.

    Raises:
        InputError: if there is no zoo.
    """
    with open_members(path) as members:
        return open_zoo(members, dialect).lacks_epoch(epoch)
