"""Atomic writing of files: whole or not there."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from zootwins.run.errors import InputError

_NO_ROOM = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the quota is used up"}


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a private temporary path beside `path`, renamed to it if the block succeeds and removed if not.

    The name is unique, so that two writers of one file (an orphaned job and its rerun) cannot hurt each other.

    Raises:
        InputError: if there is no room for the file.
    """
    path = Path(path)
    temporary = path.with_name(f".{uuid4().hex}.tmp")  # without its name, which may be as long as a name can be
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        if not temporary.is_symlink():  # its target is not ours
            temporary.chmod(0o666 & ~_umask())  # safetensors writes files for their owner alone
        temporary.replace(path)
    except Exception as error:
        if (reason := no_room(error)) is None:
            raise
        raise InputError(f"{path}: {reason}; make room there and run the same command again") from None
    finally:
        temporary.unlink(missing_ok=True)


def remedy(path: str | Path) -> str:
    """Return what to do about a damaged or missing file of the run: the end of a message that names it."""
    return f"make it again: snakemake --cores 4 --force {path} (with the --configfile and --config of the run, if any)"


def no_room(error: Exception) -> str | None:
    """Return why a file has no room, if that is what went wrong; safetensors reports it by the text alone."""
    codes = (code for code in _NO_ROOM if getattr(error, "errno", None) == code or f"(os error {code})" in str(error))
    return next((_NO_ROOM[code] for code in codes), None)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
