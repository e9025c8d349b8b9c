"""Reads what CloudFormation sends to a custom resource."""

from collections.abc import Iterator
from contextlib import contextmanager

from iot_jitr_runtime.errors import JitrError


class MalformedPropertiesError(JitrError):
    """The resource's properties are not what this version of the stack writes."""


@contextmanager
def reading_properties() -> Iterator[None]:
    """Turn what goes wrong while properties are read into a `MalformedPropertiesError`."""
    try:
        yield
    except (KeyError, ValueError, TypeError) as error:
        raise MalformedPropertiesError(
            f"the resource's properties cannot be read ({type(error).__name__}: {error}); stack and function "
            "must be of the same version"
        ) from error
