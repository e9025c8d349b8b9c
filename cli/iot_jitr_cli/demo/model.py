"""The content of a demonstration: steps, devices and expectations."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum


class Milestone(StrEnum):
    """A stage of a device, in chronological order."""

    REGISTERED = "registered"
    """The first CONNECT registered the certificate in AWS IoT Core, and was refused."""
    PENDING = "pending"
    """The pipeline has received the event and validates the certificate."""
    ACTIVATED = "activated"
    """All checks passed; the policy is attached and the certificate is ACTIVE."""
    CONNECTED = "connected"
    """CONNACK: the device is connected."""
    PUBLISHED = "published"
    """The device's first message is acknowledged, and the device has received it."""


@dataclass
class DeviceProgress:
    """One device that is to be admitted."""

    name: str
    certificate_id: str
    marks: dict[Milestone, float] = field(default_factory=dict)
    """For each mark reached so far: seconds since the devices began to connect."""


@dataclass
class RefusedDevice:
    """One device that is to be refused."""

    name: str
    about: str
    """The defect of the device, in a few words."""
    reason: str | None = None
    """The reason of the refusal, as the system reports it; None before the refusal."""


@dataclass
class Step:
    """One step that takes time."""

    title: str
    detail: str = ""
    seconds: float | None = None
    """The duration; None while the step runs."""
    started_at: float = field(default_factory=time.time)
    """Seconds since 1970."""


@dataclass(frozen=True)
class Expectation:
    """A claim of the demonstration, and whether it was met."""

    claim: str
    met: bool
    seen: str = ""
    """The observation, if the claim was not met."""


@dataclass
class Demo:
    """The state of a demonstration. Its methods are thread-safe."""

    preparation: list[Step] = field(default_factory=list)
    devices: list[DeviceProgress] = field(default_factory=list)
    refused: list[RefusedDevice] = field(default_factory=list)
    revocation: list[Step] = field(default_factory=list)
    """The steps in which an active device loses its access."""
    expectations: list[Expectation] = field(default_factory=list)
    clean_up: list[Step] = field(default_factory=list)
    seconds: float | None = None
    """The duration of the demonstration; None before its end."""
    on_change: Callable[[str | None], object] = lambda _line: None
    """Called after each change, with the line that reports the change, if there is one."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def all_published_after(self) -> float | None:
        """Seconds from the first connect until all devices had published; None before that."""
        published = [device.marks.get(Milestone.PUBLISHED) for device in self.devices]
        reached = [seconds for seconds in published if seconds is not None]
        return max(reached) if reached and len(reached) == len(published) else None

    @property
    def succeeded(self) -> bool:
        """Whether the demonstration is complete and every expectation was met."""
        return self.seconds is not None and all(expectation.met for expectation in self.expectations)

    def as_document(self) -> dict[str, object]:
        """The demonstration as `--json` prints it."""
        names = ("preparation", "devices", "refused", "revocation", "expectations", "clean_up", "seconds")
        return {"succeeded": self.succeeded, **{name: getattr(self, name) for name in names}}

    @contextmanager
    def step(self, title: str, steps: list[Step] | None = None) -> Iterator[Step]:
        """Add a timed step to `steps` (default: the preparation); its result is its `detail`."""
        step, began = Step(title), time.monotonic()
        with self._lock:
            (self.preparation if steps is None else steps).append(step)
            self.on_change(None)
        yield step
        with self._lock:
            step.seconds = time.monotonic() - began
            self.on_change(f"{title:<24} {step.seconds:6.2f} s  {step.detail}")

    def mark(self, device: DeviceProgress, mark: Milestone, seconds: float) -> None:
        """Record that a device reached `mark`, `seconds` after the start; each mark is reported once."""
        with self._lock:
            if mark not in device.marks:
                device.marks[mark] = max(0.0, seconds)
                self.on_change(f"{device.name:<24} {device.marks[mark]:6.2f} s  {mark.value}")

    def refuse(self, device: RefusedDevice, reason: str) -> None:
        """Record the reason why a device is refused."""
        with self._lock:
            device.reason = reason
            self.on_change(f"{device.name:<24} {device.about}: {reason}")

    def expect(self, claim: str, *, met: bool, seen: str = "") -> None:
        """Record a claim, whether it was met, and the observation."""
        with self._lock:
            self.expectations.append(Expectation(claim, met, seen))

    def expect_all(self, claim: str, found: int, wanted: int) -> None:
        """Record a claim about `wanted` devices; `found` devices fulfil it."""
        self.expect(f"{wanted} of {wanted} {claim}", met=found == wanted, seen=f"{found} of {wanted}")
