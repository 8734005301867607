"""Verification that a run's files exist and are intact."""

import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from zootwins.run.errors import InputError, one_line
from zootwins.run.provenance import tables_of_others
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


OTHERS = "of other zoos"
CHECKS: dict[str, Callable[[str], object]] = {
    ".parquet": checksums.check_seal,
    ".csv": checksums.check_beside,
    ".zip": check_zip,
}


WRONG = ("damaged", "missing", OTHERS)


def verify(
    needed: Mapping[str, Iterable[str]], possible: Mapping[str, Iterable[str]], zoos: Sequence[str]
) -> pd.DataFrame:
    """Compare files with the checksums that were written with them, and tables with the zoos of the run.

    Args:
        needed: files by kind: for tensors one of `tensor_files.KINDS`, for others anything, since their suffix says it.
        possible: likewise, files that exist only if they were requested.

        zoos: ids of those of the run.

    Returns:
        file, kind, status (ok, damaged, missing, of other zoos, or not made: missing, but not needed) and problem, one
        row per file.
    """
    rows = [
        (path, kind, *_status(path, kind, absent))
        for files, absent in ((needed, "missing"), (possible, "not made"))
        for kind, paths in files.items()
        for path in paths
    ]
    report = pd.DataFrame(rows, columns=["file", "kind", "status", "problem"])
    whole = report.loc[report["status"].eq("ok") & report["file"].str.endswith(".csv"), "file"]
    for path, others in tables_of_others(whole, zoos).items():
        problem = f"{path}: of {', '.join(others)}, not of this run's {', '.join(zoos)}; {remedy(path)}"
        report.loc[report["file"] == path, ["status", "problem"]] = OTHERS, problem
    return report


def counted(report: pd.DataFrame) -> str:
    """Count the files of a report by status, such as `12 ok, 1 missing`."""
    return ", ".join(f"{number} {status}" for status, number in report["status"].value_counts().items())


def problems(report: pd.DataFrame) -> list[str]:
    """Return the problem of each file of a report that is damaged, missing or of other zoos, and what to do."""
    return report["problem"][report["status"].isin(WRONG)].tolist()


def refuse_wrong(report: pd.DataFrame, path: str | Path) -> None:
    """Raise where a file is damaged, missing or of other zoos.

    Args:
        report: made by `verify`.
        path: where it is.

    Raises:
        InputError: with how many of the files are.
    """
    counts = {status: (report["status"] == status).sum() for status in WRONG}
    if any(counts.values()):
        found = " and ".join(f"{number} {status}" for status, number in counts.items() if number)
        raise InputError(f"{path}: lists {found} of {len(report)} files, and for each what to do")


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
