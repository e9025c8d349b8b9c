"""Sources of a CA's CRLs: the common interface and the possible problems of fetching."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.revocation.model import Origin

MAX_CRL_BYTES = 64 << 20
"""The largest CRL that is read: about 1.4 million entries. The function's memory is chosen for it."""


class FetchProblem(StrEnum):
    """Why a CRL could not be fetched. The values are a stable interface."""

    NOT_FOUND = "not_found"
    """There is no CRL."""
    UNREACHABLE = "unreachable"
    """No server responded, or the response was not complete."""
    REFUSED = "refused"
    """The server responded with a status other than 200."""
    TIMED_OUT = "timed_out"
    """It took too long as a whole, or the server stopped sending."""
    TOO_LARGE = "too_large"
    """It is larger than a CRL may be."""
    TOO_MANY = "too_many"
    """There are more objects below the prefix than a CA can have CRLs."""
    BAD_REDIRECT = "bad_redirect"
    """Too many redirects, or one to an address that a CRL must not come from."""


class FetchError(JitrError):
    """A CRL, or all of a source's, could not be fetched."""

    def __init__(self, problem: FetchProblem, detail: str) -> None:
        super().__init__(detail)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class CrlObject:
    """One object of a source, which should be a CRL."""

    origin: Origin
    read: Callable[[], bytes] | None
    """Reads the object; raises `FetchError`. None: the object in force has not changed."""
