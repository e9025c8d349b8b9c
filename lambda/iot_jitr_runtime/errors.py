"""The base of every error that this project raises on purpose."""


class JitrError(Exception):
    """An error that this project raises on purpose.

    Subclasses live in the module that raises them, one for each way to fail. The message is one line: what
    was found, what was expected, what to do. It never contains key material.
    """
