"""What a demonstration shows: steps, devices, and whether everything was as expected."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum


class Mark(StrEnum):
    """A point on a device's way, in the order in which it is reached."""

    REGISTERED = "registered"
    """AWS IoT Core has the certificate: the first CONNECT registered it, and was refused."""
    PENDING = "pending"
    """The pipeline has the event and validates the certificate."""
    ACTIVATED = "activated"
    """All checks passed; the policy is attached and the certificate is ACTIVE."""
    CONNECTED = "connected"
    """CONNACK: the device is connected."""
    PUBLISHED = "published"
    """Its first message is acknowledged and came back."""


@dataclass
class DeviceProgress:
    """One device that is to be admitted."""

    name: str
    certificate_id: str
    marks: dict[Mark, float] = field(default_factory=dict)
    """Seconds since all devices began to connect, for each mark reached so far."""


@dataclass
class RefusedDevice:
    """One device that is to be refused."""

    name: str
    about: str
    """What is wrong with it, in a few words."""
    reason: str | None = None
    """The reason of the refusal, as the system reports it; None until then."""


@dataclass
class Step:
    """One step that takes time."""

    title: str
    detail: str = ""
    seconds: float | None = None
    """How long it took; None while it runs."""
    started_at: float = field(default_factory=time.time)
    """Seconds since 1970."""


@dataclass(frozen=True)
class Expectation:
    """A claim of the demonstration, and whether it was met."""

    claim: str
    met: bool
    seen: str = ""
    """What was seen instead."""


@dataclass
class Demo:
    """The state of a demonstration. Its methods change it from any thread, one change at a time."""

    preparation: list[Step] = field(default_factory=list)
    devices: list[DeviceProgress] = field(default_factory=list)
    refused: list[RefusedDevice] = field(default_factory=list)
    revocation: list[Step] = field(default_factory=list)
    """How an active device loses its access."""
    expectations: list[Expectation] = field(default_factory=list)
    clean_up: list[Step] = field(default_factory=list)
    seconds: float | None = None
    """How long the whole took; None before its end."""
    on_change: Callable[[str | None], object] = lambda _line: None
    """Called after each change, with the line that reports it if there is one."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def all_published_after(self) -> float | None:
        """Seconds from the first connect until the last device had published; None while one has not."""
        published = [device.marks.get(Mark.PUBLISHED) for device in self.devices]
        reached = [seconds for seconds in published if seconds is not None]
        return max(reached) if reached and len(reached) == len(published) else None

    @property
    def succeeded(self) -> bool:
        """Whether the end was reached and every expectation was met."""
        return self.seconds is not None and all(expectation.met for expectation in self.expectations)

    def as_document(self) -> dict[str, object]:
        """The demonstration as `--json` prints it."""
        names = ("preparation", "devices", "refused", "revocation", "expectations", "clean_up", "seconds")
        return {"succeeded": self.succeeded, **{name: getattr(self, name) for name in names}}

    @contextmanager
    def step(self, title: str, steps: list[Step] | None = None) -> Iterator[Step]:
        """A step of `steps` (default: the preparation), timed; its result is its `detail`."""
        step, began = Step(title), time.monotonic()
        with self._lock:
            (self.preparation if steps is None else steps).append(step)
            self.on_change(None)
        yield step
        with self._lock:
            step.seconds = time.monotonic() - began
            self.on_change(f"{title:<24} {step.seconds:6.2f} s  {step.detail}")

    def mark(self, device: DeviceProgress, mark: Mark, seconds: float) -> None:
        """A device reached `mark`, `seconds` after all began; reported once for each mark."""
        with self._lock:
            if mark not in device.marks:
                device.marks[mark] = max(0.0, seconds)
                self.on_change(f"{device.name:<24} {device.marks[mark]:6.2f} s  {mark.value}")

    def refuse(self, device: RefusedDevice, reason: str) -> None:
        """Record why a device is refused."""
        with self._lock:
            device.reason = reason
            self.on_change(f"{device.name:<24} {device.about}: {reason}")

    def expect(self, claim: str, *, met: bool, seen: str = "") -> None:
        """Record a claim, whether it was met, and what was seen."""
        with self._lock:
            self.expectations.append(Expectation(claim, met, seen))

    def expect_all(self, claim: str, found: int, wanted: int) -> None:
        """Record a claim about `wanted` devices of which `found` fulfil it."""
        self.expect(f"{wanted} of {wanted} {claim}", met=found == wanted, seen=f"{found} of {wanted}")
