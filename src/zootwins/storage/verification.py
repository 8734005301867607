"""Whether the files that a run has made are there, and still as they were written."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pandas as pd

from zootwins.run.errors import InputError
from zootwins.storage import checksums, tensor_files
from zootwins.storage.files import remedy

CHECKS: dict[str, Callable[[str], object]] = {
    ".parquet": checksums.check_seal,
    ".json": checksums.check_seal,
    ".csv": checksums.check_beside,
}


def verify(needed: Mapping[str, Iterable[str]], possible: Mapping[str, Iterable[str]]) -> pd.DataFrame:
    """Compare files with the checksums that were written with them.

    Args:
        needed: files by kind: for tensors one of `tensor_files.KINDS`, for tables anything.
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
