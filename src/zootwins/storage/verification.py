"""Whether the files that a run has made are there, and still as they were written."""

import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pandas as pd

from zootwins.run.errors import InputError, one_line
from zootwins.storage import checksums, tensor_files
from zootwins.storage.files import remedy


def check_zip(path: str | Path) -> None:
    """Compare the members of an archive with the checksums that the format itself has.

    Raises:
        InputError: if one does not match, or the file is no archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, OSError, NotImplementedError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not a readable zip archive ({one_line(error)}); {remedy(path)}") from None
    if damaged is not None:
        raise InputError(f"{path}: damaged ({one_line(damaged)} fails its checksum); {remedy(path)}")


CHECKS: dict[str, Callable[[str], object]] = {
    ".parquet": checksums.check_seal,
    ".csv": checksums.check_beside,
    ".zip": check_zip,
}


def verify(needed: Mapping[str, Iterable[str]], possible: Mapping[str, Iterable[str]]) -> pd.DataFrame:
    """Compare files with the checksums that were written with them.

    Args:
        needed: files by kind: for tensors one of `tensor_files.KINDS`, for others anything, since their suffix tells.
        possible: likewise, files that were made only if somebody asked for them.

    Returns:
        file, kind, status (ok, damaged, missing, or not made: missing, but not needed) and problem, a row a file.
    """
    rows = [
        (path, kind, *_status(path, kind, absent))
        for files, absent in ((needed, "missing"), (possible, "not made"))
        for kind, paths in files.items()
        for path in paths
    ]
    return pd.DataFrame(rows, columns=["file", "kind", "status", "problem"])


def _status(path: str, kind: str, absent: str) -> tuple[str, str]:
    if not Path(path).exists():
        return absent, f"{path}: missing; {remedy(path)}" if absent == "missing" else ""
    try:
        if kind in tensor_files.KINDS:
            tensor_files.check(path, kind)
        else:
            CHECKS[Path(path).suffix](path)
    except InputError as error:
        return "damaged", str(error)
    return "ok", ""
