"""The base class of all errors that this project raises intentionally."""


class JitrError(Exception):
    """An error that this project raises intentionally.

    Each subclass is defined in the module that raises it, one for each kind of failure. The message is one
    line: the value found, the expected value, and the action to take. It never contains key material.
    """
