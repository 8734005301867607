"""The one exception that users are meant to read."""


class InputError(ValueError):
    """Something a user gave us is wrong; the message is one line.

    It names the file or key, says what is wrong with it and what to do about it.
    Jobs print it without a traceback (see `zootwins.job`).
    """
