"""The state of a deployment at one moment. A part that could not be read says why."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ParamSpec, TypeVar

from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.reading import CannotTellError
from iot_jitr_cli.status.clusters import Cluster, largest_first
from iot_jitr_cli.status.figures import DecisionCounts
from iot_jitr_cli.status.history import History
from iot_jitr_cli.status.ledger import LedgerCounts
from iot_jitr_cli.status.quotas import ApiQuota

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Unknown:
    """A part that could not be read."""

    why: str
    permission: str | None = None
    """The IAM action that is missing, where that is why."""


@dataclass(frozen=True)
class QueueCounts:
    """The activation queue and the dead-letter queue."""

    waiting: int
    in_flight: int
    delayed: int
    oldest_seconds: float | None
    """None: CloudWatch has no figure, as for a queue that has been empty."""
    dead_letters: int

    @property
    def messages(self) -> int:
        """All messages of the activation queue."""
        return self.waiting + self.in_flight + self.delayed


@dataclass(frozen=True)
class CaState:
    """One CA of the deployment."""

    name: str
    certificate_id: str
    status: str
    auto_registration: str
    not_before: datetime
    """Since when its certificate is valid."""
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
    def waiting(self) -> "Waiting":
        """Which devices are not in, and how fast others get in."""
        rate = self.decisions
        return Waiting(
            ledger=self.ledger,
            queues=self.queues,
            activated_per_second=rate if isinstance(rate, Unknown) else rate.activated_per_second,
            quota_per_second=self.quota_per_second,
        )

    @property
    def unknown(self) -> tuple[Unknown, ...]:
        """The parts that could not be read."""
        return _unknown(*vars(self).values())


@dataclass(frozen=True)
class Waiting:
    """Which devices are not in, why, and how fast others get in."""

    ledger: LedgerCounts | Unknown
    queues: QueueCounts | Unknown
    activated_per_second: float | Unknown
    """In the last five minutes."""
    quota_per_second: float | None
    """The configuration's `activations_per_second`."""

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """The causes with the number of devices, the largest first; dead letters are a cause."""
        found = () if isinstance(self.ledger, Unknown) else self.ledger.clusters
        messages = 0 if isinstance(self.queues, Unknown) else self.queues.dead_letters
        return largest_first((*found, *([Cluster(Cause.DEAD_LETTERED, messages)] if messages else [])))

    @property
    def per_second(self) -> float | None:
        """The rate by which times are reckoned: the present one, or the highest allowed if that is 0."""
        now = self.activated_per_second
        return self.quota_per_second if isinstance(now, Unknown) or not now else now

    def seconds(self, certificates: int) -> float | None:
        """How long the activation of so many certificates takes at that rate, None where it is unknown."""
        return certificates / self.per_second if self.per_second else None

    @property
    def seconds_until_empty(self) -> float | None:
        """How long the activation queue takes at that rate, None where that is unknown."""
        return None if isinstance(self.queues, Unknown) else self.seconds(self.queues.messages)

    @property
    def unknown(self) -> tuple[Unknown, ...]:
        """The parts that could not be read."""
        return _unknown(*vars(self).values())


@dataclass(frozen=True)
class Fleet:
    """A snapshot with the last 24 hours, and AWS's quotas."""

    snapshot: Snapshot
    history: History | Unknown
    quotas: tuple[ApiQuota, ...] | Unknown

    @property
    def unknown(self) -> tuple[Unknown, ...]:
        """The parts of the snapshot and of the day that could not be read.

        Quotas are not among them: they are for comparison only, and a local cloud has none.
        """
        return (*self.snapshot.unknown, *_unknown(self.history))


def _unknown(*parts: object) -> tuple[Unknown, ...]:
    return tuple(part for part in parts if isinstance(part, Unknown))


def read_part(read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | Unknown:
    """Read a part, or return why it could not be read."""
    try:
        return read(*args, **kwargs)
    except CannotTellError as error:
        return Unknown(str(error), error.permission)
