"""The timeline of a device that connects: typed events, in order, and the ending."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from iot_jitr_cli.connect.causes import Cause


class Step(StrEnum):
    """A point on a device's timeline. Values are a stable interface."""

    CONNECTING = "connecting"
    """An attempt begins: TCP, TLS, CONNECT."""
    REFUSED = "refused"
    """The endpoint answered and refused the device; the event has the cause."""
    FAILED = "failed"
    """The endpoint was not reached, or is not trusted; the event has the cause."""
    WAITING = "waiting"
    """Backoff before the next attempt."""
    PROBED = "probed"
    """The TLS handshake alone, at the end: it shows whether the certificate or the CONNECT is refused."""
    CONNECTED = "connected"
    """CONNACK: the device is connected."""
    SUBSCRIBED = "subscribed"
    """SUBACK: its own topic is subscribed."""
    PUBLISHED = "published"
    """PUBACK: one message is published there."""
    RECEIVED = "received"
    """The device received that message."""


class Ending(StrEnum):
    """The ending of a timeline. Values are a stable interface."""

    PUBLISHED = "published"
    """The device connected, subscribed, published, and received its message."""
    REFUSED = "refused"
    """The endpoint answered, but within the time-out the device could not connect and publish."""
    UNREACHABLE = "unreachable"
    """No trusted endpoint answered any attempt, so the result for the device is unknown."""
    STOPPED = "stopped"
    """The caller stopped the device."""


@dataclass(frozen=True)
class TimelineEvent:
    """One step of one device."""

    step: Step
    at: datetime
    """The time, in UTC."""
    elapsed: float
    """Seconds since the first attempt began."""
    attempt: int
    """The number of the attempt, counted from 1."""
    detail: str
    """One line of text."""
    cause: Cause | None = None
    """The cause, for `REFUSED` and `FAILED`, and for `PROBED` if the certificate is refused."""


@dataclass(frozen=True)
class ConnectResult:
    """The ending of the connect, with the timeline."""

    client_id: str
    ending: Ending
    events: tuple[TimelineEvent, ...]

    @property
    def attempts(self) -> int:
        """The number of attempts."""
        return max((event.attempt for event in self.events), default=0)

    @property
    def last_cause(self) -> Cause | None:
        """The cause of the last failed attempt; `None` if no attempt failed."""
        return next((event.cause for event in reversed(self.events) if event.cause), None)
