"""A zip on a server, read by ranges: its directory first, then the members that are wanted.

The partial file is a sparse copy of the remote one, each byte at its place. What is whole in it, the CRCs of the
members tell: that is the check of the download, and the memory of an interrupted one. (fsspec's HTTP files read ranges
too, but a member a request, and without that memory.)
"""

import logging
import os
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo, is_zipfile

from zootwins.run.errors import InputError
from zootwins.storage.files import replacing
from zootwins.zoos.downloads import CHUNK, Client, RemoteFile
from zootwins.zoos.zip_files import checked_entries

log = logging.getLogger(__name__)

GAP = 256 << 10  # bytes between two members that are fetched along rather than asked around: some 0.1 s of transfer
_TAIL = 1 << 20  # first guess at a zip directory's size
_ERRORS = (BadZipFile, zlib.error, EOFError, ValueError, RuntimeError)  # NotImplementedError is a RuntimeError


class RemoteZip:
    """A remote zip and its directory.

    Args:
        client: what asks the server.
        remote: the zip, of a server that serves ranges.
        part: the partial file, which may be there from an earlier attempt.

    Raises:
        InputError: if it is no zip, or a dangerous one.
    """

    def __init__(self, client: Client, remote: RemoteFile, part: Path):
        self._client, self._remote, self._part = client, remote, part
        part.touch()
        os.truncate(part, remote.size)
        self._fetch_directory()
        with ZipFile(part) as archive:
            self._entries = checked_entries(remote.url, archive.infolist())
            self.names = list(self._entries)

    def _fetch_directory(self) -> None:
        """Fetch the zip's end, twice as much each time, until its directory is there."""
        tail, have, size = _TAIL, self._remote.size, self._remote.size
        while True:
            try:
                ZipFile(self._part).close()
            except _ERRORS:
                if have == 0 or (have < size and not is_zipfile(self._part)):
                    self._part.unlink()
                    raise InputError(
                        f"{self._remote.url}: not a zip archive; correct the zoo's source.archive"
                    ) from None
            else:
                return
            start = max(0, size - tail)
            self._client.copy(self._remote, self._part, start, have)
            tail, have = 2 * tail, start

    def fetch(self, names: Collection[str]) -> None:
        """Bring members here that are not yet.

        Raises:
            InputError: if one does not match its CRC, or the server sends no more.
        """
        with ZipFile(self._part) as archive:
            missing = [member for member in map(self._entries.get, names) if not _is_whole(archive, member)]
            ends = _ends(archive)
        ranges = _merged((member.header_offset, ends[member.header_offset]) for member in missing)
        log.info(
            "%s: %d of %d members to fetch, %d bytes in %d ranges of a file of %d",
            self._remote.url, len(missing), len(names), sum(stop - start for start, stop in ranges), len(ranges),
            self._remote.size,
        )  # fmt: skip
        for start, stop in ranges:
            self._client.copy(self._remote, self._part, start, stop)
        with ZipFile(self._part) as archive:
            broken = [member.filename for member in missing if not _is_whole(archive, member)]
        if broken:
            self._part.unlink()
            raise InputError(
                f"{self._remote.url}: {broken[0]} does not match its CRC in the zip ({len(broken)} such members); "
                "fetch it again, or set download: full to check the archive as a whole"
            )

    @contextmanager
    def reading(self) -> Iterator[Callable[[str], bytes]]:
        """Yield what returns the content of a member that is here."""
        with ZipFile(self._part) as archive:
            yield lambda name: archive.read(self._entries[name])

    def write(self, names: Iterable[str], output: Path, held: ZipFile | None = None) -> None:
        """Write a zip with some members that are here, or in `held`, a zip of this archive's members."""
        elsewhere = {} if held is None else held.NameToInfo
        with (
            ZipFile(self._part) as archive,
            replacing(output) as temporary,
            ZipFile(temporary, "w", ZIP_DEFLATED, compresslevel=1) as smaller,
        ):
            for name in names:
                member = self._entries[name]
                entry = ZipInfo(name, member.date_time)
                entry.compress_type, entry.file_size = ZIP_DEFLATED, member.file_size
                opened = held.open(name) if name in elsewhere else archive.open(member)
                with opened as source, smaller.open(entry, "w") as target:
                    copyfileobj(source, target, CHUNK)


def _ends(archive: ZipFile) -> dict[int, int]:
    """Return where each member's bytes end, by where they start: at the next one, or at the directory."""
    offsets = sorted({member.header_offset for member in archive.infolist()})
    return dict(zip(offsets, [*offsets[1:], archive.start_dir], strict=True))


def _merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Merge sorted ranges where no more than `GAP` lies between them."""
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(ranges):
        if merged and start - merged[-1][1] <= GAP:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


def _is_whole(archive: ZipFile, member: ZipInfo) -> bool:
    try:
        with archive.open(member) as file:
            while file.read(CHUNK):
                pass
    except _ERRORS:
        return False
    return True
