"""Facts that are read from AWS once; a fact that cannot be read is kept as `CannotTellError`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar, cast

from iot_jitr_cli.session import explain
from iot_jitr_runtime.aws_errors import AwsError, deferral
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.outcomes import Reason

S = TypeVar("S")
T = TypeVar("T")


class CannotTellError(JitrError):
    """A fact could not be read."""

    permission: str | None = None
    """The IAM action that is missing."""


class MissingPermissionError(CannotTellError):
    """The caller lacks a permission."""

    def __init__(self, permission: str) -> None:
        super().__init__(f"the permission {permission} is missing")
        self.permission = permission


class NoAnswerError(CannotTellError):
    """AWS did not answer, or returned an unexpected error."""


@contextmanager
def aws_call(permission: str) -> Iterator[None]:
    """Turn AWS errors of the block, which needs `permission`, into `CannotTellError`."""
    try:
        yield
    except AwsError as error:
        if deferral(error).reason is Reason.ACCESS_DENIED:
            raise MissingPermissionError(permission) from error
        raise NoAnswerError(explain(error) or str(error)) from error


class Fact(Generic[S, T]):
    """A property that is read at its first use and then kept, `CannotTellError` included.

    So the time-out of an endpoint that does not answer passes once, not once for each check.
    """

    def __init__(self, permission: str | None, read: Callable[[S], T]) -> None:
        self.permission = permission
        self._read = read
        self.__doc__ = read.__doc__
        self._name = ""

    def __set_name__(self, owner: type[S], name: str) -> None:
        self._name = name

    def __get__(self, instance: S, owner: type[S]) -> T:
        known = instance.__dict__.setdefault("facts", {})
        if self._name not in known:
            known[self._name] = self._read_once(instance)
        found = known[self._name]
        if isinstance(found, CannotTellError):
            raise found
        return cast("T", found)

    def _read_once(self, instance: S) -> T | CannotTellError:
        try:
            if self.permission is None:
                return self._read(instance)
            with aws_call(self.permission):
                return self._read(instance)
        except CannotTellError as error:
            return error


def fact(permission: str | None = None) -> Callable[[Callable[[S], T]], Fact[S, T]]:
    """Make a method a `Fact` that needs the IAM action `permission`."""
    return lambda read: Fact(permission, read)
