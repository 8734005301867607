"""Resolution of the paths in configuration and catalogue."""

import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from zootwins.run.errors import InputError

SKEW = 2.0  # seconds by which the clock of a file system may be ahead of this machine's


def located(path: str | Path, root: Path) -> Path:
    """Resolve a path of the configuration against the working directory, then against the project's folder.

    The two are one in a clone of the project. As a module of another workflow, or with `--directory`, the user's own
    files come first; what the project brings along is found, and nothing is looked for or made there otherwise.
    """
    inside = root / path
    return inside if inside.exists() and not Path(path).exists() else Path(path)


def check_date(path: str | Path) -> None:
    """Refuse an input that is dated in the future: Snakemake would delete what is made of it, being older.

    Raises:
        InputError: if the file or folder was last changed later than now.
    """
    if not Path(path).exists():  # its reader reports it
        return
    changed = Path(path).stat().st_mtime
    if changed > time.time() + SKEW:
        raise InputError(
            f"{path}: is dated {datetime.fromtimestamp(changed):%Y-%m-%d %H:%M:%S}, ahead of this machine's clock, so "
            f"that its results would count as outdated; set the clock right, or give it today's date: touch {path}"
        )


def located_once(path: str | Path, folders: Iterable[Path], key: str) -> Path:
    """Resolve a path against several folders; return it as it is where none has it, since a rule may make it.

    Args:
        path: as the user wrote it; ~ is the user's home.
        folders: the first one first.
        key: file and key that the path is from, for messages.

    Raises:
        InputError: if two folders have different files of this name.
    """
    path = Path(path).expanduser()
    found = [folder / path for folder in folders if (folder / path).exists()]
    other = next((one for one in found[1:] if not one.samefile(found[0])), None)
    if other is not None:
        raise InputError(
            f"{key}: {path} may be {found[0].absolute()} or {other.absolute()}; write the absolute path of the one "
            "that you mean"
        )
    return found[0] if found else path
