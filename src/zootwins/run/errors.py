"""The exception for users' mistakes, and messages of one line."""

from collections.abc import Iterator
from contextlib import contextmanager

_LONGEST = 200


class InputError(ValueError):
    """A user's input is wrong; the message is one line.

    It names the file or key, says what is wrong with it and what to do about it.
    Jobs print it without a traceback (see `zootwins.run.job`). Of several mistakes, each has its own line.
    """


class Mistakes:
    """Collects the messages of several checks, so that a user reads all of them at once."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep the message of an `InputError` instead of raising it."""
        try:
            yield
        except InputError as error:
            self._lines += str(error).splitlines()

    def refuse(self) -> None:
        """Raise an `InputError` with all messages, if there are any."""
        if self._lines:
            raise InputError("\n".join(dict.fromkeys(self._lines)))


def one_line(error: object) -> str:
    """Return an error of other software for a message: printable, in one line, and not without end."""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(error)).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 2].rsplit(" ", 1)[0] + " …"
