"""A zoo's files, in a zip or in a folder, read member by member; an archive that tries anything is refused whole."""

import stat
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from zootwins.errors import InputError

MEMBER_LIMIT = 8 << 30  # bytes; a dataset.pt of the paper's largest data set has 1.2 GB
BOMB_SIZE, BOMB_RATIO = 64 << 20, 200  # members above the size may not be compressed better than the ratio


class Members(ABC):
    """Named byte strings, `a/b/c` → content, that are read one at a time."""

    def __init__(self, path: Path, names: list[str]):
        self.path = path
        self.names = sorted(names)

    @abstractmethod
    def size(self, name: str) -> int:
        """Size of a member in bytes, as its directory entry says."""

    @abstractmethod
    def _read(self, name: str, number: int) -> bytes: ...

    def read(self, name: str, limit: int) -> bytes:
        """A member's content.

        Raises:
            OSError: if it cannot be read, fails its checksum, or has more than `limit` bytes.
        """
        if self.size(name) > limit:
            raise OSError(f"{name} has {self.size(name)} bytes, more than the {limit} it may have")
        content = self._read(name, limit + 1)
        if len(content) > limit:
            raise OSError(f"{name} has more than the {limit} bytes it may have")
        return content


class _Zip(Members):
    def __init__(self, path: Path, archive: zipfile.ZipFile):
        self.archive = archive
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        refuse_dangerous(path, archive.infolist())
        self.entries = {entry.filename: entry for entry in entries}
        super().__init__(path, list(self.entries))

    def size(self, name: str) -> int:
        return self.entries[name].file_size

    def _read(self, name: str, number: int) -> bytes:
        try:
            with self.archive.open(self.entries[name]) as member:
                return member.read(number)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            raise OSError(f"{name} is damaged: {error}") from None


def refuse_dangerous(path: str | Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse a zip by what its directory says: paths that lead out of it, links, encryption, absurd sizes.

    Raises:
        InputError: naming the archive (`path`, or its address) and the member.
    """

    def refuse(entry: zipfile.ZipInfo, reason: str):
        raise InputError(f"{path}: refused: its member {entry.filename!r} {reason}; get the archive from its authors")

    seen = set()
    for entry in entries:
        name = PurePosixPath(entry.filename)
        if name.is_absolute() or ".." in name.parts or "\\" in entry.filename or ":" in name.parts[0]:
            refuse(entry, "has a path that leads out of the archive")
        if name in seen:
            refuse(entry, "is there twice")
        seen.add(name)
        if stat.S_ISLNK(entry.external_attr >> 16):
            refuse(entry, "is a symbolic link")
        if entry.flag_bits & 0x1:
            refuse(entry, "is encrypted")
        inflated = entry.file_size > BOMB_SIZE and entry.file_size > BOMB_RATIO * entry.compress_size
        if entry.file_size > MEMBER_LIMIT or inflated:
            refuse(entry, f"unpacks to an absurd size ({entry.compress_size} to {entry.file_size} bytes)")


class _Folder(Members):
    def __init__(self, path: Path):
        names = []
        for file in path.rglob("*"):
            if file.is_symlink():
                raise InputError(f"{path}: refused: {file.relative_to(path)} is a symbolic link; replace it by a file")
            if file.is_file():
                names.append(file.relative_to(path).as_posix())
        super().__init__(path, names)

    def size(self, name: str) -> int:
        return (self.path / name).stat().st_size

    def _read(self, name: str, number: int) -> bytes:
        with (self.path / name).open("rb") as member:
            return member.read(number)


@contextmanager
def open_members(path: str | Path) -> Iterator[Members]:
    """The members of a zip or a folder.

    Raises:
        InputError: if there is no such file, it is no zip, or a member is dangerous.
    """
    path = Path(path)
    if path.is_dir():
        yield _Folder(path)
        return
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise InputError(
            f"{path}: there is no such file or folder; correct the zoo's source in the catalogue"
        ) from None
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(f"{path}: not a readable zip ({error}); fetch it again") from None
    with archive:
        yield _Zip(path, archive)
