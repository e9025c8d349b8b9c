"""The one base of every error this project raises on purpose."""


class JitrError(Exception):
    """Something is wrong that the project knows by name.

    Subclasses live in the module that raises them, one for each way to fail. The message is one line: what
    was found, what was expected, what to do. It never holds key material.
    """
