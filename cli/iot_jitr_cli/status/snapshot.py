"""The state of a deployment at one moment. A part that could not be read says why."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from iot_jitr_cli.doctor.facts.fact import CannotTellError

T = TypeVar("T")


@dataclass(frozen=True)
class Unknown:
    """A part that could not be read."""

    why: str
    permission: str | None = None
    """The IAM action that is missing, where that is why."""


@dataclass(frozen=True)
class LedgerCounts:
    """How many certificates are in which state, among the rows that were read."""

    states: Mapping[str, int]
    """State, with the reason where there is one → certificates."""
    rows: int
    complete: bool
    """Whether these are all rows; else reading stopped at its limit."""


@dataclass(frozen=True)
class DecisionCounts:
    """How many messages were decided, by outcome and reason."""

    hours: int
    outcomes: Mapping[str, int]
    reasons: Mapping[str, int]
    activated_per_second: float
    """In the last five minutes."""


@dataclass(frozen=True)
class QueueCounts:
    """The activation queue and the dead-letter queue."""

    waiting: int
    in_flight: int
    delayed: int
    oldest_seconds: float | None
    """None: CloudWatch has no figure, as for a queue that has been empty."""
    dead_letters: int


@dataclass(frozen=True)
class CaState:
    """One CA of the deployment."""

    name: str
    certificate_id: str
    status: str
    auto_registration: str
    not_after: datetime
    devices: int
    """Certificates in service."""


@dataclass(frozen=True)
class CrlState:
    """One CRL in force."""

    ca: str
    number: int
    entries: int
    this_update: datetime
    next_update: datetime
    location: str


@dataclass(frozen=True)
class Snapshot:
    """Everything `jitr status` shows."""

    stack: str
    region: str
    taken_at: datetime
    quota_per_second: float | None
    ledger: LedgerCounts | Unknown
    decisions: DecisionCounts | Unknown
    queues: QueueCounts | Unknown
    cas: tuple[CaState, ...] | Unknown
    crls: tuple[CrlState, ...] | Unknown
    alarms: tuple[str, ...] | Unknown
    """What the active alarms say."""
    errors: Mapping[str, str] | Unknown
    """Last errors: log group → line."""
    log_groups: tuple[str, ...]

    @property
    def unknown(self) -> tuple[Unknown, ...]:
        """The parts that could not be read."""
        return tuple(value for value in vars(self).values() if isinstance(value, Unknown))


def read_part(read: Callable[[], T]) -> T | Unknown:
    """Read a part, or return why it could not be read."""
    try:
        return read()
    except CannotTellError as error:
        return Unknown(str(error), error.permission)
