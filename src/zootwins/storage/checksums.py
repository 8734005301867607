"""Checksums of files whose format has no place for one.

Where a format holds free text (parquet's metadata), the checksum is a *seal* inside the file: a mark and 32
digits, blake2b of all the file's bytes with zeros in the digits' place, so that not a bit of the file is left out.
CSV holds none: its checksum lies beside it, as `sha256sum` writes and checks it.
"""

from hashlib import blake2b, sha256
from pathlib import Path

from zootwins.run.errors import InputError
from zootwins.storage.files import remedy

_MARK = b"zootwins-blake2b:"
_DIGITS = 32
BLANK = _MARK.decode() + "0" * _DIGITS  # what a file has to hold, once, before it is sealed
SUFFIX = ".sha256"


def seal(path: str | Path) -> None:
    """Put the checksum of a file into the place that `BLANK` keeps for it."""
    path = Path(path)
    content = path.read_bytes()
    start, digest = _digest(content)
    with path.open("r+b") as file:
        file.seek(start)
        file.write(digest)


def check_seal(path: str | Path) -> bytes:
    """Return the bytes of a sealed file, compared with its checksum.

    Raises:
        InputError: if they are not those that were sealed; it names the file and the remedy.
    """
    content = read(path)
    try:
        start, digest = _digest(content)
    except ValueError:
        raise InputError(f"{path}: damaged (its checksum is missing); {remedy(path)}") from None
    if content[start : start + _DIGITS] != digest:
        raise InputError(f"{path}: damaged (its checksum does not match); {remedy(path)}")
    return content


def _digest(content: bytes) -> tuple[int, bytes]:
    """Return where a file's checksum starts, and what it should be; ValueError where there is no place."""
    start = content.rindex(_MARK) + len(_MARK)
    checksum = blake2b(memoryview(content)[:start], digest_size=_DIGITS // 2)
    checksum.update(b"0" * _DIGITS)
    checksum.update(memoryview(content)[start + _DIGITS :])
    return start, checksum.hexdigest().encode()


def beside(path: str | Path) -> Path:
    """Return the path of a CSV file's checksum."""
    path = Path(path)
    return path.with_name(path.name + SUFFIX)


def line_beside(path: str | Path, content: bytes) -> str:
    """Return the content of the file beside a file of this content."""
    return f"{sha256(content).hexdigest()}  {Path(path).name}\n"


def check_beside(path: str | Path) -> bytes:
    """Return the bytes of a file, compared with the checksum beside it.

    Raises:
        InputError: if they are not those that were written; it names the file and the remedy.
    """
    content = read(path)
    if read(beside(path)) != line_beside(path, content).encode():
        raise InputError(f"{path}: damaged (it does not match {beside(path).name}); {remedy(path)}")
    return content


def read(path: str | Path) -> bytes:
    """Read a file that another job made.

    Raises:
        InputError: if it is not there or cannot be read; it names the file and the remedy.
    """
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: not there; {remedy(path)}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {remedy(path)}") from None
