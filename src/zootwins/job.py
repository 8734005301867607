"""What every workflow script shares: a log, a thread count, and errors of one line."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from zootwins.errors import InputError

log = logging.getLogger("zootwins")


@contextmanager
def job(snakemake) -> Iterator[None]:
    """Run a script's work with its log in the rule's `log:` file and torch limited to the rule's threads.

    An `InputError` ends the job with its one line, in the log and on the terminal; anything else is a defect and
    keeps its traceback in both.
    """
    handler = logging.FileHandler(snakemake.log[0], mode="w")
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        handlers=[handler],
        force=True,
    )
    logging.captureWarnings(capture=True)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(snakemake.threads)
    try:
        yield
    except InputError as error:
        log.error("%s", error)
        sys.exit(f"Error in rule {snakemake.rule}: {error}")
    except Exception:
        log.exception("unexpected error")
        raise
