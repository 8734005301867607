"""Whether the files of tensors that a run has made are still as they were written."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from zootwins.datasets import load_stored
from zootwins.errors import InputError
from zootwins.originals import read_parameters, read_predictions
from zootwins.representations.storage import load_representation
from zootwins.shards import read_shard

READERS = {
    "shard": read_shard,
    "originals": read_parameters,
    "predictions": read_predictions,
    "dataset": load_stored,
    "representation": load_representation,
}


def verify(files: Mapping[str, Iterable[str]]) -> pd.DataFrame:
    """Read files, given by kind (of `READERS`), as the jobs that need them do.

    Returns:
        file, kind, status (ok, damaged, or missing: not made yet) and problem, a row a file.
    """
    rows = [(path, kind, *_status(path, kind)) for kind, paths in files.items() for path in paths]
    return pd.DataFrame(rows, columns=["file", "kind", "status", "problem"])


def _status(path: str, kind: str) -> tuple[str, str]:
    if not Path(path).exists():
        return "missing", ""
    try:
        READERS[kind](path)
    except InputError as error:
        return "damaged", str(error)
    return "ok", ""
