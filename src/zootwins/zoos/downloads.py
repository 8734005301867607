"""Files on servers, whole or by ranges; an interrupted transfer continues where it stopped.

Retries, back-off and Retry-After are urllib3's, through requests. This module adds what libraries lack: pooch starts
anew after a cut-off, fsspec reads ranges but gives up at the first one, and neither continues a partial file of
the run before.
"""

import hashlib
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from zootwins.run.errors import InputError
from zootwins.run.provenance import digest

log = logging.getLogger(__name__)

CHUNK = 64 << 10
_TIMEOUT = (20, 60)  # seconds to connect, and between two packets
_ATTEMPTS = 5  # without a byte of progress


@dataclass(frozen=True)
class RemoteFile:
    """A file on a server: size in bytes (None if unknown), what it must hash to, and whether ranges are served."""

    url: str
    size: int | None
    ranges: bool
    checksums: Mapping[str, str] = field(default_factory=dict)
    version: str = ""

    @property
    def key(self) -> str:
        """Names what a partial file is part of."""
        return digest([self.url, self.size, dict(self.checksums), self.version])


class Client:
    """A client that retries network errors; nothing else in the package does.

    Args:
        back_off: seconds that pauses between attempts start with.
    """

    def __init__(self, back_off: float = 1.0):
        self._back_off = back_off
        retry = Retry(
            total=8,
            connect=5,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=("GET",),
            backoff_factor=back_off,
            raise_on_status=False,  # `get` turns the last answer into a message
        )
        self._session = requests.Session()
        # "identity": ranges and sizes are of the bytes as stored.
        self._session.headers.update({"User-Agent": "zootwins", "Accept-Encoding": "identity"})
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exception: object) -> None:
        self._session.close()

    @contextmanager
    def get(self, url: str, start: int = 0, stop: int | None = None) -> Iterator[requests.Response]:
        """Request bytes `start … stop-1`, streamed, or the whole file if the server does not serve ranges.

        Raises:
            InputError: if there is no good answer.
        """
        ranged = {"Range": f"bytes={start}-{'' if stop is None else stop - 1}"} if start or stop is not None else {}
        try:
            response = self._session.get(url, headers=ranged, stream=True, timeout=_TIMEOUT)
        except requests.RequestException as error:
            raise InputError(
                f"{url}: cannot be reached ({_reason(error)}); check the network and the address, and run again"
            ) from None
        with response:
            _refuse_bad_answer(url, response, start)
            yield response

    def probe(self, url: str, checksums: Mapping[str, str]) -> RemoteFile:
        """Ask for one byte: returns size and whether ranges are served, where HEAD is often answered wrongly."""
        with self.get(url, 0, 1) as response:
            headers, ranges = response.headers, response.status_code == 206
            text = headers["Content-Range"].rpartition("/")[2] if ranges else headers.get("Content-Length")
            version = headers.get("ETag") or headers.get("Last-Modified") or ""
        size = int(text) if text and text.isdigit() else None
        return RemoteFile(url, size, ranges and size is not None, checksums, version)

    def copy(self, remote: RemoteFile, path: Path, start: int, stop: int | None) -> None:
        """Write bytes `start … stop-1` of a remote file to the same place in a local one; go on after cut-offs.

        Raises:
            InputError: if nothing arrives any more; what has arrived stays.
        """
        failures = 0
        with path.open("r+b") as file:
            while True:
                before, cut = start, "no data"
                try:
                    with self.get(remote.url, start, stop) as response:
                        if response.status_code == 200:
                            start = 0  # the server sends everything, whatever was asked for
                        file.seek(start)
                        for chunk in response.iter_content(CHUNK):
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
                log.warning("%s: cut off at byte %d (%s), continuing", remote.url, start, cut)
                time.sleep(self._back_off * 2**failures)


def _refuse_bad_answer(url: str, response: requests.Response, start: int) -> None:
    status = response.status_code
    if status in (404, 410):
        raise InputError(f"{url}: is not there (HTTP {status}); correct the zoo's source.archive in the catalogue")
    if status >= 400:
        raise InputError(f"{url}: the server answers HTTP {status} {response.reason}; try again later")
    if status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        raise InputError(f"{url}: the server sends another range than was asked for; set download: full")


def _reason(error: Exception) -> str:
    """Return the innermost cause, in one line."""
    while inner := next(
        (arg for arg in (*error.args, getattr(error, "reason", None)) if isinstance(arg, Exception)), None
    ):
        error = inner
    return " ".join(str(error).split()) or type(error).__name__


def verify(path: Path, checksums: Mapping[str, str], name: str) -> None:
    """Check a file's checksums, by algorithm; messages call it `name`.

    Raises:
        InputError: if one is another.
    """
    for algorithm, expected in checksums.items():
        with path.open("rb") as file:
            actual = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()  # noqa: B023
        if actual != expected.lower():
            raise InputError(
                f"{name}: its {algorithm} is {actual}, but {expected} was expected; "
                "fetch it again, or correct the checksum in the catalogue if the archive is meant to have changed"
            )
