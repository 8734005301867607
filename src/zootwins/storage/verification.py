"""Whether the files of tensors that a run has made are still as they were written."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from zootwins.run.errors import InputError
from zootwins.storage import tensor_files


def verify(files: Mapping[str, Iterable[str]]) -> pd.DataFrame:
    """Compare files, given by kind (of `tensor_files.KINDS`), with the checksums that were written with them.

    Returns:
        file, kind, status (ok, damaged, or missing: not made yet) and problem, a row a file.
    """
    rows = [(path, kind, *_status(path, kind)) for kind, paths in files.items() for path in paths]
    return pd.DataFrame(rows, columns=["file", "kind", "status", "problem"])


def _status(path: str, kind: str) -> tuple[str, str]:
    if not Path(path).exists():
        return "missing", ""
    try:
        tensor_files.check(path, kind)
    except InputError as error:
        return "damaged", str(error)
    return "ok", ""
