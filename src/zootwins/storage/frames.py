"""Long tables on disk: parquet that carries its provenance, and CSV; whole or not at all, checked when read."""

import logging
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from zootwins.run.errors import InputError, one_line
from zootwins.storage import checksums
from zootwins.storage.files import remedy, replacing

# Columns of the previous version, which is still read, and what they are called now.
FORMER_COLUMNS = {
    "one_class": "collapsed",
    "clean_train_accuracy": "eval_mode_train_accuracy",
    "riddle": "number",  # codespell:ignore riddle
    "candidate": "hypothesis",
}
# Columns of models.csv that are texts, whatever they look like: a model may be called NA or null.
_TEXTS = ("model", "original", "status", "reason", "activation", "init", "optimizer", "dialect")
log = logging.getLogger(__name__)


def write_parquet(frame: pd.DataFrame, path: str | Path, metadata: Mapping[str, str]) -> None:
    """Write a data frame with metadata beside pandas' own (`pq.read_schema(path).metadata`) and a checksum."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    metadata = {**(table.schema.metadata or {}), **metadata, "checksum": checksums.BLANK}
    with replacing(path) as temporary:
        pq.write_table(table.replace_schema_metadata(metadata), temporary)
        checksums.seal(temporary)


def read_parquet(path: str | Path, without: Sequence[str] = ()) -> pd.DataFrame:
    """Read what `write_parquet` wrote, but for the columns that the caller can do `without`.

    Raises:
        InputError: if the file is not as it was written; it names the file and the remedy.
    """
    content = BytesIO(checksums.check_seal(path))
    try:
        columns = [name for name in pq.read_schema(content).names if name not in without]
        return renamed(pd.read_parquet(content, columns=columns), path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable parquet file ({one_line(error)}); {remedy(path)}") from None


def write_csv(frame: pd.DataFrame, path: str | Path, digits: int | None = 6) -> None:
    """Write a data frame as CSV, what is undefined as an empty field, and its checksum beside it.

    Args:
        frame: the table.
        path: the file; its checksum is at `checksums.beside(path)`.
        digits: significant digits of numbers; all if None.
    """
    content = frame.to_csv(index=False, float_format=f"%.{digits}g" if digits else None).encode()
    with replacing(path) as table, replacing(checksums.beside(path)) as checksum:
        table.write_bytes(content)
        checksum.write_text(checksums.line_beside(path, content), encoding="utf-8")


def read_csv(path: str | Path, **options: Any) -> pd.DataFrame:
    """Read what `write_csv` wrote; `options` are those of `pandas.read_csv`.

    Only an empty field is undefined: a zoo may be called nan or null.

    Raises:
        InputError: if the file is not as it was written; it names the file and the remedy.
    """
    content = BytesIO(checksums.check_beside(path))
    return renamed(pd.read_csv(content, **{"keep_default_na": False, "na_values": [""]} | options), path)


def read_models(path: str | Path) -> pd.DataFrame:
    """Read models.csv: one row per model of the zoo, with those that were excluded and why.

    Raises:
        InputError: if the file is not as it was written.
    """
    return read_csv(path, converters=dict.fromkeys(_TEXTS, str))


def renamed(frame: pd.DataFrame, path: str | Path) -> pd.DataFrame:
    """Rename the columns of a file of the previous version, with a warning; see `FORMER_COLUMNS`."""
    former = {name: FORMER_COLUMNS[name] for name in frame.columns if name in FORMER_COLUMNS}
    if former:
        changes = ", ".join(f"{old} is now {new}" for old, new in former.items())
        log.warning("%s: has columns of the previous version: %s", path, changes)
    return frame.rename(columns=former)


def number_text(value: object) -> str:
    """Format a value: floats to six digits without trailing zeros, everything else as it is."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
