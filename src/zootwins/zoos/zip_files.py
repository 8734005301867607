"""Members of zips: names of any tool's, and refusals that name the member and the remedy."""

import stat
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from zootwins.run.errors import InputError
from zootwins.zoos.members import (
    BOMB_RATIO,
    BOMB_SIZE,
    GET_IT_AGAIN,
    MEMBER_LIMIT,
    Members,
    reason_against,
    users_file,
)

_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others can ask for gigabytes of memory
_METHODS = {
    9: "Deflate64, as Windows Explorer does with large archives",
    12: "bzip2",
    14: "LZMA",
    93: "Zstandard",
    95: "xz",
    98: "PPMd",
    99: "AES encryption",
}
_FILE_TYPES = (0, stat.S_IFREG, stat.S_IFDIR)  # 0: from a system that does not note it


class ZipMembers(Members):
    """The members of a zip that `checked_entries` accepts."""

    def __init__(self, path: Path, archive: zipfile.ZipFile):
        entries = checked_entries(users_file(path), archive.infolist())
        if sum(entry.compress_size for entry in archive.infolist()) > path.stat().st_size:
            raise InputError(
                f"{users_file(path)}: refused: its members overlap (a zip bomb, or damaged); {GET_IT_AGAIN}"
            )
        self.archive = archive
        self.entries = {name: entry for name, entry in entries.items() if not _is_folder(entry)}
        super().__init__(path, self.entries, entries.keys() - self.entries.keys())

    def size(self, name: str) -> int:
        return self.entries[name].file_size

    def _open(self, name: str) -> BinaryIO:
        try:
            return self.archive.open(self.entries[name])
        except OSError as error:  # seeking to where a damaged directory points
            raise zipfile.BadZipFile(str(error)) from None


def checked_entries(path: str | Path, entries: Iterable[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """Return a zip's entries by path, with slashes whatever the tool wrote, unless one of them is dangerous.

    A member that is there twice with one content, as appending leaves it, is one member.

    Raises:
        InputError: naming the archive (`path`, or its address), the member and the remedy.
    """
    checked: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        name = PurePosixPath(entry.filename.replace("\\", "/"))
        earlier = checked.get(str(name))
        reason = reason_against(name, entry.orig_filename) or _reason(entry)
        if not reason and earlier and _content(earlier) != _content(entry):
            reason = "is there twice, with different contents; write the archive again from the folder"
        if reason:
            raise InputError(f"{path}: refused: its member {entry.orig_filename!r} {reason}")
        checked[str(name)] = entry
    return checked


def _reason(entry: zipfile.ZipInfo) -> str:
    """Say what is wrong with an entry beside its path, and what to do about it."""
    if stat.S_IFMT(entry.external_attr >> 16) not in _FILE_TYPES:
        return f"is a symbolic link or a device; {GET_IT_AGAIN}"
    if entry.flag_bits & 0x1:
        return "is encrypted; write the archive again without a password"
    if entry.compress_type not in _COMPRESSIONS:
        method = _METHODS.get(entry.compress_type, f"method {entry.compress_type}")
        return (
            f"is compressed by {method}, which is not read here; unpack the archive and give the folder as the zoo's "
            "source.directory, or write it again with Deflate"
        )
    inflated = entry.file_size > BOMB_SIZE and entry.file_size > BOMB_RATIO * entry.compress_size
    if entry.file_size > MEMBER_LIMIT or inflated:
        return f"unpacks to an absurd size ({entry.compress_size} to {entry.file_size} bytes); {GET_IT_AGAIN}"
    return ""


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    return entry.filename.endswith(("/", "\\"))


def _content(entry: zipfile.ZipInfo) -> tuple[bool, int, int]:
    return _is_folder(entry), entry.file_size, entry.CRC
