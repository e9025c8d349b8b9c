"""What a demonstration shows: steps, devices that get in, devices that stay out, and whether all came so."""

from dataclasses import dataclass, field
from enum import StrEnum


class Mark(StrEnum):
    """A point on a device's way in, in the order in which it is reached."""

    REGISTERED = "registered"
    """AWS IoT Core has the certificate: the first CONNECT made it so, and was refused."""
    PENDING = "pending"
    """The pipeline has the event and looks at the certificate."""
    ACTIVATED = "activated"
    """All checks passed; the policy is attached and the certificate is ACTIVE."""
    CONNECTED = "connected"
    """CONNACK: the device is in."""
    PUBLISHED = "published"
    """Its first message is acknowledged and came back."""


@dataclass
class DeviceProgress:
    """One device that is to get in."""

    name: str
    certificate_id: str
    marks: dict[Mark, float] = field(default_factory=dict)
    """Seconds since all devices began to connect, for each mark reached so far."""


@dataclass
class Outsider:
    """One device that is to stay out."""

    name: str
    story: str
    """What is wrong with it, in a few words."""
    reason: str | None = None
    """Why it stays out, as the system says it; missing until it has said so."""


@dataclass
class Step:
    """A part of the preparation."""

    title: str
    detail: str = ""
    seconds: float | None = None
    """How long it took; missing while it is under way."""


@dataclass(frozen=True)
class Expectation:
    """Something the demonstration claims, and whether it was so."""

    claim: str
    met: bool
    seen: str = ""
    """What was seen instead."""


@dataclass
class Stage:
    """All that an audience sees, at any moment."""

    steps: list[Step] = field(default_factory=list)
    """The preparation."""
    devices: list[DeviceProgress] = field(default_factory=list)
    outsiders: list[Outsider] = field(default_factory=list)
    revocation: list[Step] = field(default_factory=list)
    """How a device that is in gets out again."""
    expectations: list[Expectation] = field(default_factory=list)
    clearing: list[Step] = field(default_factory=list)
    """What is done after the last device."""
    seconds: float | None = None
    """How long the whole took; missing before its end."""

    @property
    def all_in_after(self) -> float | None:
        """Seconds from the first connect until the last device had published; missing while one has not."""
        published = [device.marks.get(Mark.PUBLISHED) for device in self.devices]
        known = [seconds for seconds in published if seconds is not None]
        return max(known) if known and len(known) == len(published) else None

    @property
    def succeeded(self) -> bool:
        """Whether the end was reached and every expectation was met."""
        return self.seconds is not None and all(expectation.met for expectation in self.expectations)
