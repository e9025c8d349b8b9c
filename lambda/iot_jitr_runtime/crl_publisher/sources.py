"""Where a CA's CRLs come from: what every source offers, and how fetching can fail."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.revocation.records import Origin

MAX_CRL_BYTES = 64 << 20
"""The largest CRL that is read: 1.4 million entries, and what the function's memory is made for."""


class FetchProblem(StrEnum):
    """Why there is nothing to look at. The values are a stable interface."""

    NOT_FOUND = "not_found"
    """There is no CRL."""
    UNREACHABLE = "unreachable"
    """Nobody answered, or not to the end."""
    REFUSED = "refused"
    """Whoever answered gave out no CRL."""
    TIMED_OUT = "timed_out"
    """It took too long as a whole, however lively it looked."""
    TOO_LARGE = "too_large"
    """It is larger than a CRL may be."""
    TOO_MANY = "too_many"
    """There are more objects below the prefix than a CA can have CRLs."""
    BAD_REDIRECT = "bad_redirect"
    """Too many redirects, or one to where a CRL must not come from."""


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
    """Reads it; raises `FetchError`. None: the server says that it is the one in force."""


class Source(Protocol):
    """Where the CRLs of one CA come from. Never taken from a device's certificate."""

    def objects(self, in_force: Collection[Origin]) -> list[CrlObject]:
        """List what there is.

        Args:
            in_force: Where the CRLs in force came from, with what a server needs to say "not changed".

        Raises:
            FetchError: It cannot be listed.
        """
