"""What every workflow script shares: a log, errors of one line, resumption and provenance."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table

from zootwins.run.errors import InputError
from zootwins.run.paths import check_date
from zootwins.run.provenance import digest, record

log = logging.getLogger("zootwins")
_SECONDS_BETWEEN_LINES = 5


class _LogFile(logging.FileHandler):
    """A log file whose lines go to the terminal where the disk has no room for them."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, logging's name
        """Report an error of logging itself without a traceback."""
        if isinstance(sys.exception(), OSError):
            sys.stderr.write(f"{self.format(record)}\n")
        else:
            super().handleError(record)


@contextmanager
def job(snakemake) -> Iterator[None]:
    """Run a script's work with its log in the rule's `log:` file.

    Inputs that are dated in the future are refused before any work. An `InputError` ends the job with its message in
    the log and on the terminal; anything else is a defect and keeps its traceback.
    """
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        handlers=[_LogFile(snakemake.log[0], mode="w")],
        force=True,
    )
    logging.captureWarnings(capture=True)
    try:
        for path in snakemake.input:
            check_date(path)
        yield
    except InputError as error:
        for line in str(error).splitlines():
            log.error("%s", line)
            _print(snakemake, line)  # with `--quiet rules`, Snakemake does not show the log
        sys.exit(1)
    except Exception:
        log.exception("unexpected error")
        raise


def announce(snakemake, message: str, details: Iterable[str] = ()) -> None:
    """Print a line on the terminal that would otherwise be in the log alone."""
    log.warning("%s", message)
    _print(snakemake, message)
    for detail in details:
        log.warning("%s", detail)


def _print(snakemake, message: str) -> None:
    print(" ".join([snakemake.rule, *snakemake.wildcards]) + f": {message}", file=sys.stderr, flush=True)


def configuration(snakemake) -> dict[str, Any]:
    """Return what decides a job's results: its rule, wildcards and parameters."""
    return {"rule": snakemake.rule, **dict(snakemake.wildcards.items()), **dict(snakemake.params.items())}


def provenance(snakemake, **more: Any) -> dict[str, str]:
    """Return metadata for the files that a job writes; see `zootwins.run.provenance.record`."""
    return record(configuration(snakemake), **more)


def resume_file(snakemake) -> tuple[Path, str]:
    """Return where a job saves its state while it runs, and the digest of its configuration and inputs.

    The file is no output of the rule, since Snakemake removes the outputs of failed jobs.
    """
    inputs = [Path(path) for path in snakemake.input]
    stamps = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in inputs]
    name = "-".join([snakemake.rule, *snakemake.wildcards])
    return Path("results/resume") / f"{name}.safetensors", digest([configuration(snakemake), stamps])


def progress(snakemake, models: int) -> Callable[[int, int], None]:
    """Return a callback for each epoch: on a terminal it shows models, epoch and time left, every few seconds.

    Several jobs share the terminal, so that each writes whole lines rather than a bar that moves; the log has a line
    for every epoch anyway.
    """
    console = Console(stderr=True)
    job_name = " ".join([snakemake.rule, *snakemake.wildcards])
    started = shown = time.monotonic()
    resumed_at: int | None = None

    def show(epoch: int, epochs: int) -> None:
        nonlocal shown, resumed_at
        now = time.monotonic()
        if resumed_at is None:
            resumed_at = epoch - 1
        if not console.is_terminal or now - shown < _SECONDS_BETWEEN_LINES:
            return
        shown = now
        left = timedelta(seconds=round((now - started) / (epoch - resumed_at) * (epochs - epoch)))
        line = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=epochs, completed=epoch, width=20)
        line.add_row(job_name, bar, f"epoch {epoch} of {epochs}, {models} models, {left} left")
        console.print(line)

    return show
