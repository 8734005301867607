"""Zoo archives brought to this machine: from a path, a URL or a record of Zenodo, whole or only what twins start from.

A zoo's archive holds fifty checkpoints and optimiser states per model, of which twins need one checkpoint. Where the
server takes range requests, a selective download fetches those members alone.
"""

import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import requests

from zootwins.run.errors import InputError
from zootwins.storage.files import replacing
from zootwins.zoos.archives import is_archive
from zootwins.zoos.dialects import DIALECTS
from zootwins.zoos.downloads import Client, RemoteFile, verify
from zootwins.zoos.ray_folders import DATASET
from zootwins.zoos.remote_zip import RemoteZip
from zootwins.zoos.sources import ArchiveSource

log = logging.getLogger(__name__)

ZENODO_API = "https://zenodo.org/api"
_ZIP = b"PK"


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
            since a checksum says nothing about parts; parts are compared with the CRCs in the zip.
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
    output.parent.mkdir(parents=True, exist_ok=True)
    with Client(back_off) as client:
        found, remote = _locate(client, archive, expected, api)
        if download == "selective" and remote.ranges and not expected and _is_zip(client, remote):
            taken = _fetch_members(client, remote, output, epoch)
        else:
            taken = _fetch_whole(client, remote, output)
    for old in output.parent.glob(f".{output.name}.*.part"):
        old.unlink()
    return found | {"size": remote.size, "date": datetime.now(UTC).isoformat(timespec="seconds")} | taken


def fetch_epoch(
    archive: ArchiveSource,
    raw: Path,
    output: Path,
    epoch: int,
    *,
    whole: bool,
    api: str = ZENODO_API,
    back_off: float = 1.0,
) -> None:
    """Put the checkpoints of another epoch at `output`, with the texts beside them; a link to `raw` if it has them.

    Args:
        archive: where the zoo's archive is.
        raw: what `fetch_zoo` wrote of it; what it has is not fetched again.
        output: the zip to write.
        epoch: of the checkpoints; of a model without one, the last.
        whole: whether `raw` is the whole archive; then no server is asked.
        api: as for `fetch_zoo`.
        back_off: likewise.

    Raises:
        InputError: as `fetch_zoo`.
    """
    if whole:
        _link_to(raw, output)
        return
    with Client(back_off) as client, ZipFile(raw) as held:
        _, remote = _locate(client, archive, {}, api)
        if not remote.ranges:
            _fetch_whole(client, remote, output)
            return
        have, part = set(held.namelist()), _part(output, remote, "members")
        members = RemoteZip(client, remote, part)
        needed = needed_members(members.names, epoch, lambda name: held.read(name) if name in have else b"")
        if missing := [name for name in needed if name not in have]:
            members.fetch(missing)
            members.write([name for name in needed if not name.endswith(DATASET)], output, held)
        else:
            _link_to(raw, output)
        part.unlink()


def needed_members(
    names: Iterable[str], epoch: int | None = None, read: Callable[[str], bytes] = lambda name: b""
) -> list[str]:
    """Return the members of an archive that importing reads, of the first dialect that has any (`RawZoo.needed`)."""
    names = list(names)
    return next((needed for dialect in DIALECTS if (needed := dialect.needed(names, epoch, read))), [])


def _link(source: Path, output: Path, checksums: Mapping[str, str]) -> dict[str, Any]:
    if source.is_dir():
        raise InputError(
            f"{source}: is a folder: give it in the catalogue as source: {{directory: {source}}}, not as "
            "source.archive.path"
        )
    if not source.is_file():
        raise InputError(f"{source}: there is no such file; correct the zoo's source.archive.path in the catalogue")
    _verify_archive(source, checksums, str(source))
    _link_to(source, output)
    return {"path": str(source), "size": source.stat().st_size, "checksum": _joined(checksums)}


def _link_to(source: Path, output: Path) -> None:
    with replacing(output) as temporary:
        temporary.symlink_to(os.path.relpath(source.resolve(), output.parent.resolve()))


def _verify_archive(path: Path, checksums: Mapping[str, str], name: str) -> None:
    verify(path, checksums, name)
    if not is_archive(path):
        raise InputError(f"{name}: not a zip or tar archive, or not all of it; fetch it again or correct its address")


def _locate(
    client: Client, archive: ArchiveSource, expected: Mapping[str, str], api: str
) -> tuple[dict[str, Any], RemoteFile]:
    """Locate a remote archive by its record, and ask its server about it."""
    found = _zenodo_file(client, archive, api) if archive.zenodo else {"url": archive.url}
    remote = client.probe(found["url"], _checksums(found.get("checksum")) | expected)
    if found.get("size") not in (None, remote.size):
        raise InputError(f"{remote.url}: has {remote.size} bytes, but its record says {found['size']}; try again later")
    return found, remote


def _zenodo_file(client: Client, archive: ArchiveSource, api: str) -> dict[str, Any]:
    """Return the file of a record that the catalogue means: record, key, size, checksum and url."""
    record = f"Zenodo record {archive.zenodo}"
    with client.get(f"{api}/records/{archive.zenodo}") as response:
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


def _checksums(text: str | None) -> dict[str, str]:
    """Convert Zenodo's `md5:…` to `{"md5": "…"}`."""
    algorithm, _, value = (text or "").partition(":")
    return {algorithm: value} if value and algorithm in hashlib.algorithms_available else {}


def _joined(checksums: Mapping[str, str]) -> str | None:
    return ",".join(f"{algorithm}:{value}" for algorithm, value in checksums.items()) or None


def _is_zip(client: Client, remote: RemoteFile) -> bool:
    """Ask for the first bytes: of a tar, members cannot be fetched alone."""
    with client.get(remote.url, 0, len(_ZIP)) as response:
        return response.content.startswith(_ZIP)


def _part(output: Path, remote: RemoteFile, what: str) -> Path:
    """Return where an unfinished download waits for the next run."""
    return output.with_name(f".{output.name}.{remote.key}.{what}.part")


def _fetch_whole(client: Client, remote: RemoteFile, output: Path) -> dict[str, Any]:
    part = _part(output, remote, "whole")
    have = part.stat().st_size if part.exists() and remote.ranges else 0
    with part.open("ab") as file:
        file.truncate(min(have, remote.size or 0))
    if have != remote.size:
        log.info("%s: %s bytes, %d are here", remote.url, remote.size, have)
        client.copy(remote, part, have, remote.size)
    try:
        _verify_archive(part, remote.checksums, remote.url)
    except InputError:
        part.unlink()
        raise
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(output)
    return {"download": "full", "checksum": _joined(remote.checksums)}


def _fetch_members(client: Client, remote: RemoteFile, output: Path, epoch: int | None) -> dict[str, Any]:
    part = _part(output, remote, "members")
    archive = RemoteZip(client, remote, part)
    guessed = needed_members(archive.names, epoch)  # in one go: checkpoints mostly are numbered by epoch
    if not guessed:
        part.unlink()
        raise InputError(
            f"{remote.url}: a zip, but not a raw model zoo (no params.json, result.json or checkpoints); correct the "
            "zoo's source.archive in the catalogue"
        )
    archive.fetch(guessed)
    with archive.reading() as read:
        names = needed_members(archive.names, epoch, read)
    if other := set(names) - set(guessed):
        archive.fetch(other)
    archive.write(names, output)
    return {"download": "selective", "checksum": _joined(remote.checksums), "members": len(names)}
