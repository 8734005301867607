"""A zoo's files, in a zip or in a folder, read member by member; an archive that tries anything is refused whole."""

import os
import re
import stat
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from zootwins.run.errors import InputError
from zootwins.run.provenance import digest

MEMBER_LIMIT = 8 << 30  # bytes; a dataset.pt of the paper's largest data set has 1.2 GB
BOMB_SIZE, BOMB_RATIO = 64 << 20, 200  # members above the size may not be compressed better than the ratio
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # those of model zoos; others can ask for GBs of memory
_CHECKPOINT = re.compile(r"checkpoint_([0-9]+)")
_FILE_TYPES = (0, stat.S_IFREG, stat.S_IFDIR)  # 0: from a system that does not note it


class Members(ABC):
    """Named byte strings, `a/b/c` → content, that are read one at a time.

    Attributes:
        path: the zip or folder.
        names: of the members, sorted.
        folders: every folder that there is, empty ones too; none has a trailing slash.
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
        """Size of a member in bytes, as its directory entry says."""

    @abstractmethod
    def _read(self, name: str, number: int) -> bytes: ...

    def read(self, name: str, limit: int) -> bytes:
        """A member's content.

        Raises:
            OSError: if it cannot be read, fails its checksum, or has more than `limit` bytes.
        """
        size = self.size(name)
        if size > limit:
            raise OSError(f"{name} has {size} bytes, more than the {limit} it may have")
        content = self._read(name, size + 1)
        if len(content) != size:
            raise OSError(f"{name} does not have the {size} bytes that its entry says")
        return content


class _Zip(Members):
    def __init__(self, path: Path, archive: zipfile.ZipFile):
        refuse_dangerous(path, archive.infolist())
        if sum(entry.compress_size for entry in archive.infolist()) > path.stat().st_size:
            raise InputError(f"{path}: refused: its members overlap (a zip bomb, or damaged); get it from its authors")
        self.archive = archive
        self.entries = {entry.filename: entry for entry in archive.infolist() if not entry.is_dir()}
        super().__init__(path, self.entries, (e.filename.rstrip("/") for e in archive.infolist() if e.is_dir()))

    def size(self, name: str) -> int:
        return self.entries[name].file_size

    def _read(self, name: str, number: int) -> bytes:
        try:
            with self.archive.open(self.entries[name]) as member:
                return member.read(number)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
            raise OSError(f"{name} is damaged ({error}); {_remedy(self.path)}") from None


def refuse_dangerous(path: str | Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse a zip by what its directory says: paths that lead out of it, links, encryption, absurd sizes.

    Raises:
        InputError: naming the archive (`path`, or its address) and the member.
    """
    seen = set()
    for entry in entries:
        name = PurePosixPath(entry.filename)
        inflated = entry.file_size > BOMB_SIZE and entry.file_size > BOMB_RATIO * entry.compress_size
        if not name.parts or name.is_absolute() or ".." in name.parts or ":" in name.parts[0] or "\\" in str(name):
            reason = "has a path that leads out of the archive"
        elif not entry.orig_filename.isprintable():
            reason = "has a name with control characters"
        elif name in seen:
            reason = "is there twice"
        elif stat.S_IFMT(entry.external_attr >> 16) not in _FILE_TYPES:
            reason = "is a symbolic link or a device"
        elif entry.flag_bits & 0x1:
            reason = "is encrypted"
        elif entry.compress_type not in _COMPRESSIONS:
            reason = f"is compressed by method {entry.compress_type}, which no model zoo uses"
        elif entry.file_size > MEMBER_LIMIT or inflated:
            reason = f"unpacks to an absurd size ({entry.compress_size} to {entry.file_size} bytes)"
        else:
            seen.add(name)
            continue
        raise InputError(f"{path}: refused: its member {entry.orig_filename!r} {reason}; get it from its authors")


class _Folder(Members):
    def __init__(self, path: Path):
        names, folders = [], []
        for file in path.rglob("*"):
            name = file.relative_to(path).as_posix()
            if file.is_symlink():
                raise InputError(f"{path}: refused: {name} is a symbolic link; replace it by a file")
            if not name.isprintable():
                raise InputError(f"{path}: refused: {name!r} is a name with control characters; rename it")
            if file.is_dir():
                folders.append(name)
            elif file.is_file():  # a pipe or a device is not read
                names.append(name)
        super().__init__(path, names, folders)

    def size(self, name: str) -> int:
        return (self.path / name).stat().st_size

    def _read(self, name: str, number: int) -> bytes:
        with (self.path / name).open("rb") as member:
            return member.read(number)


def _remedy(path: Path) -> str:
    """What to do about a damaged zip: the end of a message."""
    if path.is_symlink():  # fetch_zoo links to an archive of the user's
        return f"the archive is damaged: replace {os.path.relpath(path.resolve())} by a whole copy"
    return f"the archive is damaged: fetch it again: snakemake --cores 4 --force {path}"


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
        raise InputError(f"{path}: not a readable zip ({error}); {_remedy(path)}") from None
    with archive:
        yield _Zip(path, archive)


def folder_digest(path: str | Path, epoch: int | str | None) -> str:
    """Digest of the names, sizes and times of the files that importing a raw zoo reads of a folder.

    Of each model's checkpoints that is one, of `epoch` or, if None, the last: the others, and their optimiser states,
    are most of a zoo's files, and are not even listed. Of published twins it is `all` of them.
    """
    state = []
    for folder, folders, files in os.walk(path):
        checkpoints = {int(match[1]): match[0] for match in map(_CHECKPOINT.fullmatch, folders) if match}
        if epoch != "all":
            read = checkpoints.get(max(checkpoints, default=0) if epoch is None else epoch)
            folders[:] = set(folders) - (set(checkpoints.values()) - {read})
        folders.sort()
        for name in sorted(files):
            status = (Path(folder) / name).lstat()
            state.append((os.path.relpath(folder, path), name, status.st_size, status.st_mtime_ns))
    return digest(state)
