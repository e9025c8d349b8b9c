"""What happens when a device connects: typed events, in order, and how it ended."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from iot_jitr_cli.connect.causes import Cause


class Step(StrEnum):
    """A point on a device's timeline. Values are a stable interface."""

    CONNECTING = "connecting"
    """An attempt begins: TCP, TLS, CONNECT."""
    REFUSED = "refused"
    """The endpoint answered and refused the device; its cause is the event's."""
    FAILED = "failed"
    """The endpoint was not reached, or is not trusted; its cause is the event's."""
    WAITING = "waiting"
    """Backing off before the next attempt."""
    PROBED = "probed"
    """The TLS handshake alone, at the end: it shows whether the certificate or the CONNECT is refused."""
    CONNECTED = "connected"
    """CONNACK: the device is connected."""
    SUBSCRIBED = "subscribed"
    """SUBACK: its own topic is subscribed."""
    PUBLISHED = "published"
    """PUBACK: one message is published there."""
    RECEIVED = "received"
    """That message came back."""


class Ending(StrEnum):
    """How it ended. Values are a stable interface."""

    PUBLISHED = "published"
    """Connected, subscribed, published, and the message came back."""
    REFUSED = "refused"
    """The endpoint answered, but within the time-out the device could not connect and publish."""
    UNREACHABLE = "unreachable"
    """No attempt got an answer from a trusted endpoint, so there is no answer about the device."""
    STOPPED = "stopped"
    """The caller stopped it."""


@dataclass(frozen=True)
class TimelineEvent:
    """One step of one device."""

    step: Step
    at: datetime
    """When, in UTC."""
    elapsed: float
    """Seconds since the first attempt began."""
    attempt: int
    """Which attempt, counted from 1."""
    detail: str
    """One line for a person."""
    cause: Cause | None = None
    """Why, for `REFUSED` and `FAILED`, and `PROBED` if the certificate is refused."""


@dataclass(frozen=True)
class ConnectResult:
    """How connecting ended, with the timeline."""

    client_id: str
    ending: Ending
    events: tuple[TimelineEvent, ...]

    @property
    def attempts(self) -> int:
        """How many attempts were made."""
        return max((event.attempt for event in self.events), default=0)

    @property
    def last_cause(self) -> Cause | None:
        """Why the last attempt that did not get through did not; `None` if every one did."""
        return next((event.cause for event in reversed(self.events) if event.cause), None)
