"""Members of an archive or a folder: named files that are read one at a time, and what may not be their names."""

import ast
import lzma
import os
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO

from zootwins.run.errors import InputError, one_line

if TYPE_CHECKING:  # planning a workflow lists names, and reads no arrays
    import numpy as np

MEMBER_LIMIT = 8 << 30  # bytes; the weights of the Small CNN Zoo have 5.4 GB in one file
BOMB_SIZE, BOMB_RATIO = 64 << 20, 200  # members above the size may not be compressed better than the ratio
CHUNK = 1 << 20  # bytes
GET_IT_AGAIN = "get it from its authors"
# What reading a damaged archive raises beside OSError.
DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, tarfile.TarError, EOFError, RuntimeError, ValueError)


class Members(ABC):
    """Named byte strings, `a/b/c` → content, that are read one at a time.

    Attributes:
        path: the archive or folder.
        names: names of the members, sorted.
        folders: every folder, empty ones included; none has a trailing slash.
    """

    def __init__(self, path: Path, names: Iterable[str], folders: Iterable[str]):
        self.path = path
        self.names = sorted(names)
        self.folders = set(folders)
        for name in self.names:
            while (name := name.rpartition("/")[0]) and name not in self.folders:
                self.folders.add(name)

    @abstractmethod
    def size(self, name: str) -> int:
        """Return a member's size in bytes, as its directory entry says."""

    @abstractmethod
    def _open(self, name: str) -> BinaryIO: ...

    def _stored(self, name: str) -> tuple[BinaryIO, int]:
        """Return an uncompressed file that holds a member, and where in it the member starts, in bytes."""
        file = TemporaryFile(dir=folder_for_copies(self.path))  # noqa: SIM115, the array that is mapped keeps it
        copied = copy_limited(self._open(name), file, self.size(name))
        if copied != self.size(name):
            raise OSError(f"{name} does not have the {self.size(name)} bytes that its entry says")
        return file, 0

    def read(self, name: str, limit: int) -> bytes:
        """Return a member's content.

        Raises:
            OSError: if it cannot be read, fails its checksum, or has more than `limit` bytes.
        """
        size = self.size(name)
        if size > limit:
            raise OSError(f"{name} has {size} bytes, more than the {limit} it may have")
        with self._reading(name), self._open(name) as member:
            content = member.read(size + 1)
        if len(content) != size:
            raise OSError(f"{name} does not have the {size} bytes that its entry says")
        return content

    def array(self, name: str) -> "np.ndarray":
        """Map a `.npy` member of numbers into memory.

        Raises:
            OSError: if it cannot be read, or is no such file.
        """
        import numpy as np

        with self._reading(name):
            file, start = self._stored(name)
            file.seek(start)
            shape, fortran, dtype = _npy_header(file)
            offset = file.tell()
            expected = int(np.prod(shape, dtype=np.float64)) * dtype.itemsize
            if offset - start + expected != self.size(name):
                raise OSError(f"{name} does not have the {expected} bytes of numbers that its header says")
            return np.memmap(file, dtype, "r", offset, shape, "F" if fortran else "C")

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        """Turn whatever a damaged archive raises into an OSError that names the member and the remedy."""
        try:
            yield
        except DAMAGE as error:
            raise OSError(f"{name} is damaged ({one_line(error)}); {remedy(self.path)}") from None


def _npy_header(file: BinaryIO) -> "tuple[tuple[int, ...], bool, np.dtype]":
    """Return shape, Fortran order and type of a `.npy` file of numbers, which is left at its first number."""
    import numpy as np

    version = np.lib.format.read_magic(file)
    length = int.from_bytes(file.read(2 if version == (1, 0) else 4), "little")
    if length > 10_000:
        raise ValueError("its header is too long")
    try:
        header = ast.literal_eval(file.read(length).decode("latin1"))
        dtype, shape = np.dtype(header["descr"]), tuple(map(int, header["shape"]))
        fortran = bool(header["fortran_order"])
    except (SyntaxError, TypeError, KeyError) as error:
        raise ValueError(f"its header is damaged ({one_line(error)})") from None
    if dtype.kind not in "fiu":
        raise ValueError(f"it holds {dtype}, not numbers")
    return shape, fortran, dtype


class FolderMembers(Members):
    def __init__(self, path: Path):
        names, folders = [], []
        for parent, inner, files in os.walk(path, onerror=_raise):
            for kind, found in ((folders, inner), (names, files)):
                for name in found:
                    file = Path(parent) / name
                    relative = file.relative_to(path).as_posix()
                    if file.is_symlink():
                        raise InputError(f"{path}: refused: {relative} is a symbolic link; replace it by a file")
                    if not relative.isprintable():
                        raise InputError(f"{path}: refused: {relative!r} is a name with control characters; rename it")
                    if kind is folders or file.is_file():  # a pipe or a device is not read
                        kind.append(relative)
        super().__init__(path, names, folders)

    def size(self, name: str) -> int:
        return (self.path / name).stat().st_size

    def _open(self, name: str) -> BinaryIO:
        return (self.path / name).open("rb")

    def _stored(self, name: str) -> tuple[BinaryIO, int]:
        return self._open(name), 0


def _raise(error: OSError) -> None:
    raise error


def reason_against(name: PurePosixPath, shown_name: str) -> str:
    """Say what is wrong with a member's path, and what to do about it; nothing if it is an ordinary one."""
    if name.parts and ":" in name.parts[0]:
        return "has a drive in its path; write the archive again with relative paths"
    if not name.parts or name.is_absolute() or ".." in name.parts:
        return f"has a path that leads out of the archive; {GET_IT_AGAIN}"
    if not shown_name.isprintable():
        return f"has a name with control characters; {GET_IT_AGAIN}"
    return ""


def copy_limited(source: BinaryIO, target: BinaryIO, limit: int) -> int:
    """Copy a file of at most `limit` bytes and return how many there were; of a larger one, some more than that."""
    copied = 0
    while copied <= limit and (chunk := source.read(CHUNK)):
        target.write(chunk)
        copied += len(chunk)
    target.flush()
    return copied


def folder_for_copies(path: Path) -> Path | None:
    """Return where unpacked copies go: beside the archive if files can be written there, else where the system says."""
    return path.parent if os.access(path.parent, os.W_OK) else None


def users_file(path: Path) -> Path:
    """Return an archive as its user knows it: fetch_zoo leaves a link to a local archive."""
    return Path(os.path.relpath(path.resolve())) if path.is_symlink() else path


def remedy(path: Path) -> str:
    """Say what to do about a damaged archive: the end of a message."""
    if path.is_symlink():
        return f"the archive is damaged: replace {users_file(path)} by a whole copy"
    return f"the archive is damaged: fetch it again: snakemake --cores 4 --force {path}"
