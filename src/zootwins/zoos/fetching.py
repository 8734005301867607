"""Zoo archives brought to this machine: from a path, a URL or a record of Zenodo, whole or only what twins start from.

A zoo's archive holds fifty checkpoints and optimiser states a model, of which twins need one checkpoint. Where the
server takes range requests, a selective download reads the zip's directory and fetches those members alone.

Retries, back-off and Retry-After are urllib3's (through requests); what it lacks is here: going on after a cut-off,
within a run and in the next one, from a partial file beside the result. (pooch was considered; it starts anew.)
"""

import hashlib
import logging
import os
import re
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from shutil import copyfileobj
from typing import Any
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo, is_zipfile

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from zootwins.run.errors import InputError
from zootwins.run.provenance import digest
from zootwins.storage.files import replacing
from zootwins.zoos.archives import refuse_dangerous
from zootwins.zoos.sources import ArchiveSource

log = logging.getLogger(__name__)

ZENODO_API = "https://zenodo.org/api"
GAP = 256 << 10  # bytes between two members that are fetched along rather than asked around: some 0.1 s of transfer
_TIMEOUT = (20, 60)  # seconds to connect, and between two packets
_ATTEMPTS = 5  # without a byte of progress
_CHUNK = 64 << 10
_TAIL = 1 << 20  # first guess at a zip directory's size
_CHECKPOINT = re.compile(r"checkpoint_(\d+)")
_ZIP_ERRORS = (BadZipFile, zlib.error, EOFError, ValueError, RuntimeError)  # NotImplementedError is a RuntimeError


@dataclass(frozen=True)
class RemoteFile:
    """A file on a server: size in bytes (None if not told), what it must hash to, and whether ranges are served."""

    url: str
    size: int | None
    ranges: bool
    checksums: Mapping[str, str] = field(default_factory=dict)
    version: str = ""

    @property
    def key(self) -> str:
        """Names what a partial file is part of."""
        return digest([self.url, self.size, dict(self.checksums), self.version])


def fetch_zoo(
    archive: ArchiveSource,
    output: Path,
    *,
    epoch: int | None = None,
    download: str = "selective",
    api: str = ZENODO_API,
    back_off: float = 1.0,
) -> dict[str, Any]:
    """Put a zoo's archive, or the part of it that twins start from, at `output`.

    Args:
        archive: where it is; a path is taken as it stands.
        output: the zip to write; of a local archive, a link to it.
        epoch: the checkpoint that twins start from; the last of each model if None.
        download: "selective" or "full". What the catalogue has a checksum for is downloaded whole all the same,
            since a checksum says nothing about parts; those are held against the CRCs in the zip.
        api: base address of Zenodo's REST API.
        back_off: seconds that pauses between attempts start with.

    Returns:
        Where the archive came from, its size and checksum, and what was taken of it.

    Raises:
        InputError: if it is not there, not reachable, not what the checksum says or not a zip. No `output` then.
    """
    expected = {name: value for name in ("sha256", "md5") if (value := getattr(archive, name))}
    if archive.path:
        return _link(Path(archive.path), output, expected)
    with _session(back_off) as session:
        found = _zenodo_file(session, archive, api) if archive.zenodo else {"url": archive.url}
        remote = _probe(session, found["url"], _checksums(found.get("checksum")) | expected)
        if found.get("size") not in (None, remote.size):
            raise InputError(
                f"{remote.url}: has {remote.size} bytes, but its record says {found['size']}; try again later"
            )
        selective = download == "selective" and remote.ranges and not expected
        part = output.with_name(f".{output.name}.{remote.key}.{'members' if selective else 'whole'}.part")
        output.parent.mkdir(parents=True, exist_ok=True)
        if selective:
            taken = _fetch_members(session, remote, part, output, epoch, back_off)
        else:
            taken = _fetch_whole(session, remote, part, output, back_off)
    for old in output.parent.glob(f".{output.name}.*.part"):
        old.unlink()
    return found | {"size": remote.size, "date": datetime.now(UTC).isoformat(timespec="seconds")} | taken


def needed_members(names: Iterable[str], epoch: int | None = None) -> list[str]:
    """What importing a raw zoo reads of an archive: its factors, results, data set and one checkpoint a model.

    Args:
        names: all members.
        epoch: number of the checkpoint; each model's last where it is None or not there.
    """
    needed: list[str] = []
    checkpoints: dict[str, dict[int, str]] = {}
    for name in names:
        folder, _, file = name.rpartition("/")
        if file in {"params.json", "result.json", "config.json", "dataset.pt"}:
            needed.append(name)
        elif file == "checkpoints":
            model, _, state = folder.rpartition("/")
            if match := _CHECKPOINT.fullmatch(state):
                checkpoints.setdefault(model, {})[int(match[1])] = name
    for states in checkpoints.values():
        last = max(states)  # also where the wanted one is missing: importing says what is there instead
        needed.append(states[epoch if epoch in states else last])
    return needed


def _link(source: Path, output: Path, checksums: Mapping[str, str]) -> dict[str, Any]:
    if not source.is_file():
        raise InputError(f"{source}: there is no such file; correct the zoo's source.archive.path in the catalogue")
    _verify(source, checksums, str(source))
    with replacing(output) as temporary:
        temporary.symlink_to(os.path.relpath(source.resolve(), output.parent.resolve()))
    return {"path": str(source), "size": source.stat().st_size, "checksum": _joined(checksums)}


def _verify(path: Path, checksums: Mapping[str, str], name: str) -> None:
    for algorithm, expected in checksums.items():
        with path.open("rb") as file:
            actual = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()  # noqa: B023
        if actual != expected.lower():
            raise InputError(
                f"{name}: its {algorithm} is {actual}, but {expected} was expected; "
                "fetch it again, or correct the checksum in the catalogue if the archive is meant to have changed"
            )
    if not is_zipfile(path):
        raise InputError(f"{name}: not a zip archive, or not all of it; fetch it again or correct its address")


def _checksums(text: str | None) -> dict[str, str]:
    """`{"md5": "…"}` of Zenodo's `md5:…`."""
    algorithm, _, value = (text or "").partition(":")
    return {algorithm: value} if value and algorithm in hashlib.algorithms_available else {}


def _joined(checksums: Mapping[str, str]) -> str | None:
    return ",".join(f"{algorithm}:{value}" for algorithm, value in checksums.items()) or None


def _session(back_off: float) -> requests.Session:
    retry = Retry(
        total=8,
        connect=3,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=("GET",),
        backoff_factor=back_off,
        raise_on_status=False,  # the last answer is turned into a message by _get
    )
    session = requests.Session()
    # "identity": ranges and sizes are of the bytes as stored.
    session.headers.update({"User-Agent": "zootwins", "Accept-Encoding": "identity"})
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


@contextmanager
def _get(session: requests.Session, url: str, start: int = 0, stop: int | None = None) -> Iterator[requests.Response]:
    """A streamed answer with bytes `start … stop-1`, or with the whole file if the server does not serve ranges."""
    ranged = {"Range": f"bytes={start}-{'' if stop is None else stop - 1}"} if start or stop is not None else {}
    try:
        response = session.get(url, headers=ranged, stream=True, timeout=_TIMEOUT)
    except requests.RequestException as error:
        raise InputError(
            f"{url}: cannot be reached ({_reason(error)}); check the network and the address, and run again"
        ) from None
    with response:
        if response.status_code in (404, 410):
            raise InputError(
                f"{url}: is not there (HTTP {response.status_code}); correct the zoo's source.archive in the catalogue"
            )
        if response.status_code >= 400:
            raise InputError(
                f"{url}: the server answers HTTP {response.status_code} {response.reason}; try again later"
            )
        if response.status_code == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise InputError(f"{url}: the server sends another range than was asked for; set download: full")
        yield response


def _reason(error: Exception) -> str:
    """The innermost cause, in one line."""
    while inner := next(
        (arg for arg in (*error.args, getattr(error, "reason", None)) if isinstance(arg, Exception)), None
    ):
        error = inner
    return " ".join(str(error).split()) or type(error).__name__


def _zenodo_file(session: requests.Session, archive: ArchiveSource, api: str) -> dict[str, Any]:
    """The one file of a record that the catalogue means: record, key, size, checksum and url."""
    record = f"Zenodo record {archive.zenodo}"
    with _get(session, f"{api}/records/{archive.zenodo}") as response:
        try:
            entry = response.json()
            files = {
                file["key"]: {"size": file["size"], "checksum": file["checksum"], "url": file["links"]["self"]}
                for file in entry["files"]
            }
        except (ValueError, KeyError, TypeError, requests.RequestException):
            raise InputError(f"{record}: the answer of {api} is not a record with files; try again later") from None
    pattern = archive.file.lower()
    matches = [key for key in files if fnmatchcase(key.lower(), pattern)]
    if len(matches) != 1:
        found = f"{len(matches)} files match" if matches else "no file matches"
        raise InputError(
            f"{record}: {found} {archive.file!r}; it holds {', '.join(sorted(files)) or 'nothing'}; "
            "name one of them as source.archive.file in the catalogue"
        )
    return {"record": entry.get("id", archive.zenodo), "key": matches[0]} | files[matches[0]]


def _probe(session: requests.Session, url: str, checksums: Mapping[str, str]) -> RemoteFile:
    """Ask for one byte: tells size and whether ranges are served, where HEAD is often answered wrongly."""
    with _get(session, url, 0, 1) as response:
        ranges = response.status_code == 206
        text = (
            response.headers["Content-Range"].rpartition("/")[2] if ranges else response.headers.get("Content-Length")
        )
        version = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
    size = int(text) if text and text.isdigit() else None
    return RemoteFile(url, size, ranges and size is not None, checksums, version)


def _copy_range(
    session: requests.Session, remote: RemoteFile, path: Path, start: int, stop: int | None, back_off: float
) -> None:
    """Write bytes `start … stop-1` of a remote file to the same place in a local one; go on after cut-offs.

    Raises:
        InputError: if nothing arrives any more; what has arrived stays.
    """
    failures = 0
    with path.open("r+b") as file:
        while True:
            before, cut = start, "no data"
            try:
                with _get(session, remote.url, start, stop) as response:
                    if response.status_code == 200:
                        start = 0  # the server sends everything, whatever was asked for
                    file.seek(start)
                    for chunk in response.iter_content(_CHUNK):
                        file.write(chunk)
                        start += len(chunk)
                if stop is None or start >= stop:
                    return
            except requests.RequestException as error:
                cut = _reason(error)
            failures = 0 if start > before else failures + 1
            if failures == _ATTEMPTS:
                raise InputError(
                    f"{remote.url}: cut off at byte {start} of {stop} ({cut}); run again to go on from there"
                )
            log.warning("%s: cut off at byte %d (%s), going on", remote.url, start, cut)
            time.sleep(back_off * 2**failures)


def _fetch_whole(
    session: requests.Session, remote: RemoteFile, part: Path, output: Path, back_off: float
) -> dict[str, Any]:
    have = part.stat().st_size if part.exists() and remote.ranges else 0
    with part.open("ab") as file:
        file.truncate(min(have, remote.size or 0))
    if have != remote.size:
        log.info("%s: %s bytes, %d are here", remote.url, remote.size, have)
        _copy_range(session, remote, part, have, remote.size, back_off)
    try:
        _verify(part, remote.checksums, remote.url)
    except InputError:
        part.unlink()
        raise
    _finish(part, output)
    return {"download": "full", "checksum": _joined(remote.checksums)}


def _finish(part: Path, output: Path) -> None:
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(output)


def _fetch_members(
    session: requests.Session, remote: RemoteFile, part: Path, output: Path, epoch: int | None, back_off: float
) -> dict[str, Any]:
    """Write a zip with the members that twins need.

    The partial file is a sparse copy of the remote one, each byte at its place. What is whole in it, the CRCs of
    the members tell: that is the check of the download, and the memory of an interrupted one.
    """
    part.touch()
    os.truncate(part, remote.size)
    _fetch_directory(session, remote, part, back_off)
    with ZipFile(part) as archive:
        refuse_dangerous(remote.url, archive.infolist())
        members = [archive.getinfo(name) for name in needed_members(archive.namelist(), epoch)]
        ends = _ends(archive)
        missing = [member for member in members if not _is_whole(archive, member)]
    if not members:
        part.unlink()
        raise InputError(f"{remote.url}: a zip, but not a raw model zoo (no params.json, result.json or checkpoints)")
    ranges = _merged((member.header_offset, ends[member.header_offset]) for member in missing)
    log.info(
        "%s: %d of %d members to fetch, %d bytes in %d ranges of a file of %d",
        remote.url, len(missing), len(members), sum(stop - start for start, stop in ranges), len(ranges), remote.size,
    )  # fmt: skip
    for start, stop in ranges:
        _copy_range(session, remote, part, start, stop, back_off)
    with ZipFile(part) as archive:
        broken = [member.filename for member in missing if not _is_whole(archive, member)]
        if broken:
            part.unlink()
            raise InputError(
                f"{remote.url}: {broken[0]} does not match its CRC in the zip ({len(broken)} such members); "
                "fetch it again, or set download: full to check the archive as a whole"
            )
        with replacing(output) as temporary, ZipFile(temporary, "w", ZIP_DEFLATED, compresslevel=1) as smaller:
            for member in members:
                entry = ZipInfo(member.filename, member.date_time)
                entry.compress_type, entry.file_size = ZIP_DEFLATED, member.file_size
                with archive.open(member) as source, smaller.open(entry, "w") as target:
                    copyfileobj(source, target, _CHUNK)
    return {"download": "selective", "checksum": _joined(remote.checksums), "members": len(members)}


def _fetch_directory(session: requests.Session, remote: RemoteFile, part: Path, back_off: float) -> None:
    """Fetch a zip's end, twice as much each time, until its directory is there."""
    tail, have = _TAIL, remote.size
    while True:
        try:
            ZipFile(part).close()
        except _ZIP_ERRORS:
            if have == 0 or (have < remote.size and not is_zipfile(part)):
                part.unlink()
                raise InputError(f"{remote.url}: not a zip archive; correct the zoo's source.archive") from None
        else:
            return
        start = max(0, remote.size - tail)
        _copy_range(session, remote, part, start, have, back_off)
        tail, have = 2 * tail, start


def _ends(archive: ZipFile) -> dict[int, int]:
    """Where each member's bytes end, by where they start: at the next one, or at the directory."""
    offsets = sorted({member.header_offset for member in archive.infolist()})
    return dict(zip(offsets, [*offsets[1:], archive.start_dir], strict=True))


def _merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges in order, joined where no more than `GAP` lies between them."""
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
            while file.read(_CHUNK):
                pass
    except _ZIP_ERRORS:
        return False
    return True
