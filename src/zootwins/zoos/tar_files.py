"""Members of tars; a compressed tar is unpacked to one file first, which allows random access."""

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import BinaryIO

from zootwins.run.errors import InputError
from zootwins.zoos.members import (
    BOMB_RATIO,
    BOMB_SIZE,
    GET_IT_AGAIN,
    MEMBER_LIMIT,
    Members,
    copy_limited,
    folder_for_copies,
    reason_against,
    remedy,
    users_file,
)

_BLOCK = tarfile.BLOCKSIZE
_OPENERS: dict[bytes, Callable[[BinaryIO], BinaryIO]] = {
    b"\x1f\x8b": gzip.open,
    b"\xfd7zXZ\x00": lzma.open,
    b"BZh": bz2.open,
}


class TarMembers(Members):
    """The regular files of a tar; anything else in it but folders is refused."""

    def __init__(self, path: Path, archive: tarfile.TarFile):
        self.archive = archive
        self.entries: dict[str, tarfile.TarInfo] = {}
        folders = set()
        for entry in archive.getmembers():
            name = PurePosixPath(entry.name)
            if entry.isdir() and not name.parts:  # "./"
                continue
            reason = reason_against(name, entry.name) or _reason(entry)
            if not reason and (str(name) in self.entries or (str(name) in folders and not entry.isdir())):
                reason = "is there twice; write the archive again from the folder"
            if reason:
                raise InputError(f"{users_file(path)}: refused: its member {entry.name!r} {reason}")
            if entry.isdir():
                folders.add(str(name))
            else:
                self.entries[str(name)] = entry
        _refuse_truncated(path, archive)
        super().__init__(path, self.entries, folders)

    def size(self, name: str) -> int:
        return self.entries[name].size

    def _open(self, name: str) -> BinaryIO:
        return self.archive.extractfile(self.entries[name])

    def _stored(self, name: str) -> tuple[BinaryIO, int]:
        return self.archive.fileobj, self.entries[name].offset_data


def _reason(entry: tarfile.TarInfo) -> str:
    """Say what is wrong with an entry beside its path, and what to do about it."""
    if not (entry.isdir() or (entry.isreg() and not entry.issparse())):
        return f"is a link, a device or a sparse file; {GET_IT_AGAIN}"
    if entry.size > MEMBER_LIMIT:
        return f"has an absurd size ({entry.size} bytes); {GET_IT_AGAIN}"
    return ""


def _refuse_truncated(path: Path, archive: tarfile.TarFile) -> None:
    """Refuse a tar without the block of zeros that ends it."""
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(_BLOCK) != bytes(_BLOCK):
        raise InputError(f"{users_file(path)}: not a whole tar (its end is missing); {remedy(path)}")


def is_tar(path: Path) -> bool:
    """Say whether a file begins as a tar or a compressed one does; a zip may end a tar, and so is no evidence.

    Raises:
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(_BLOCK)
    if _opener(start):
        return True
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _opener(start: bytes) -> Callable[[BinaryIO], BinaryIO] | None:
    """Return what opens a compressed file that begins so."""
    return next((opener for magic, opener in _OPENERS.items() if start.startswith(magic)), None)


def unpacked_tar(path: Path) -> BinaryIO:
    """Open a tar; of a compressed one, an unpacked copy in a temporary file.

    Raises:
        InputError: if it unpacks to an absurd size.
        OSError: if it cannot be read or written.
    """
    file = path.open("rb")
    opener = _opener(file.read(_BLOCK))
    file.seek(0)
    if opener is None:
        return file
    limit = max(BOMB_SIZE, BOMB_RATIO * path.stat().st_size)
    copy = TemporaryFile(dir=folder_for_copies(path))  # noqa: SIM115, the caller closes it
    with file, opener(file) as content:
        if copy_limited(content, copy, limit) > limit:
            raise InputError(
                f"{users_file(path)}: refused: unpacks to an absurd size (more than {limit} bytes); {GET_IT_AGAIN}"
            )
    copy.seek(0)
    return copy
