"""Properties that read a value from AWS once and store it; a failure is stored as `UndeterminedError`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar, cast

from iot_jitr_cli.session import explain
from iot_jitr_runtime.aws_errors import DENIED, AwsError, error_code
from iot_jitr_runtime.ca_registration.registry import DeniedError, RegistryError
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.outcomes import DeferredError

S = TypeVar("S")
T = TypeVar("T")


class UndeterminedError(JitrError):
    """A value could not be read: AWS did not respond, or the response was not as expected.

    Attributes:
        permission: The missing IAM action, if that is the reason.
    """

    def __init__(self, message: str, permission: str | None = None) -> None:
        super().__init__(message)
        self.permission = permission


@contextmanager
def aws_call(permission: str) -> Iterator[None]:
    """Turn the AWS errors of the block, which needs the IAM action `permission`, into `UndeterminedError`.

    The ledger's error for a throttled table is one of them.
    """
    try:
        yield
    except (*AwsError, RegistryError, DeferredError) as error:
        if isinstance(error, DeniedError) or error_code(error) in DENIED:
            raise UndeterminedError(f"the permission {permission} is missing", permission) from error
        raise UndeterminedError(explain(error) or str(error)) from error


class _Reading(Generic[S, T]):
    """A property that is read at its first use and then stored, also if it raises `UndeterminedError`.

    So an endpoint that does not respond costs one time-out, not one for each check.
    """

    def __init__(self, permission: str, read: Callable[[S], T]) -> None:
        self._permission = permission
        self._read = read
        self.__doc__ = read.__doc__

    def __get__(self, instance: S, owner: type[S]) -> T:
        known = instance.__dict__.setdefault("readings", {})
        if self not in known:
            try:
                with aws_call(self._permission):
                    known[self] = self._read(instance)
            except UndeterminedError as error:
                known[self] = error
        if isinstance(known[self], UndeterminedError):
            raise known[self]
        return cast("T", known[self])


def reading(permission: str) -> Callable[[Callable[[S], T]], _Reading[S, T]]:
    """Turn a method into a property that is read once and needs the IAM action `permission`."""
    return lambda read: _Reading(permission, read)
