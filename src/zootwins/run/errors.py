"""The one exception that users are meant to read."""

_LONGEST = 200


class InputError(ValueError):
    """Something a user gave us is wrong; the message is one line.

    It names the file or key, says what is wrong with it and what to do about it.
    Jobs print it without a traceback (see `zootwins.run.job`).
    """


def one_line(error: object) -> str:
    """What somebody else says is wrong, fit for a message: printable, in one line, and not without end."""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(error)).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 2].rsplit(" ", 1)[0] + " …"
