"""Long tables on disk: parquet that carries its provenance, and CSV; whole or not at all."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from zootwins.storage.files import replacing


def write_parquet(frame: pd.DataFrame, path: str | Path, metadata: Mapping[str, str]) -> None:
    """Write a data frame with metadata beside pandas' own (`pq.read_schema(path).metadata`)."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **metadata})
    with replacing(path) as temporary:
        pq.write_table(table, temporary)


def write_csv(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a data frame as CSV, numbers to six significant digits, what is undefined as an empty field."""
    with replacing(path) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.6g")


def number_text(value: object) -> str:
    """A value for people's eyes: floats to six digits without trailing zeros, everything else as it is."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
