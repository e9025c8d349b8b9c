"""The demonstration's devices: each runs the code of `jitr connect`, in its own thread."""

import threading
from collections.abc import Callable, Sequence

from iot_jitr_cli.connect import (
    Backoff,
    Cause,
    ConnectResult,
    Credentials,
    Device,
    Endpoint,
    Step,
    TimelineEvent,
    connect,
)
from iot_jitr_cli.pki.device import DeviceIdentity

_TIMEOUT = 300.0
"""Seconds after which a device makes no further attempt; about two seconds are needed."""
_LONGEST_BACKOFF = 2.0
"""Longest backoff in seconds: 15 seconds would be too long for a demonstration."""
_IN_TLS = {Cause.CERTIFICATE_REJECTED, Cause.CLOSED_IN_HANDSHAKE}


class ConnectingDevice(threading.Thread):
    """A device that connects repeatedly until it has published or is stopped."""

    def __init__(
        self,
        identity: DeviceIdentity,
        endpoint: Endpoint,
        *,
        refusals: int | None = None,
        on_event: Callable[[TimelineEvent], None] = lambda _event: None,
    ) -> None:
        """Prepare the device; `start` begins.

        Args:
            identity: Its certificate and key.
            endpoint: The broker.
            refusals: Number of refusals after which it stops; None: no limit.
            on_event: Called in its own thread with each event of its timeline.
        """
        # A daemon thread: a device that waits for the network must not delay the end of the process.
        super().__init__(daemon=True)
        credentials = Credentials.of(identity)
        self.name = credentials.common_name
        self.certificate_id = identity.certificate.fingerprint
        self.events: list[TimelineEvent] = []
        self._device = Device(
            credentials, endpoint, self.name, timeout=_TIMEOUT, backoff=Backoff(longest=_LONGEST_BACKOFF)
        )
        self._refusals = refusals
        self._on_event = on_event
        self._stop_now = threading.Event()
        self._result: ConnectResult | None = None

    def run(self) -> None:
        """Connect."""
        self._result = connect(self._device, self._record, self._stop_now)

    def stop(self) -> None:
        """Stop the device after its current attempt."""
        self._stop_now.set()

    def result(self) -> ConnectResult:
        """Wait until the thread has ended, and return its result."""
        # The wait has short time limits, so that Ctrl-C interrupts it.
        while self.is_alive():
            self.join(0.2)
        if self._result is None:
            raise RuntimeError(f"device {self.name} failed; its traceback is above")
        return self._result

    def last(self, step: Step) -> float:
        """Time of the last event with this step, in seconds since 1970; 0 if there is none."""
        return max((event.at.timestamp() for event in tuple(self.events) if event.step is step), default=0.0)

    def _record(self, event: TimelineEvent) -> None:
        self.events.append(event)
        self._on_event(event)
        if sum(each.step is Step.REFUSED for each in self.events) == self._refusals:
            self.stop()


def results(devices: Sequence[ConnectingDevice]) -> list[ConnectResult]:
    """Start all devices together, and wait until each has ended."""
    try:
        for device in devices:
            device.start()
        return [device.result() for device in devices]
    finally:
        for device in devices:
            device.stop()


def refused_first(result: ConnectResult) -> bool:
    """Whether the endpoint's first answer was a refusal."""
    answers = [event.step for event in result.events if event.step in (Step.REFUSED, Step.CONNECTED)]
    return answers[:1] == [Step.REFUSED]


def always_refused(result: ConnectResult) -> bool:
    """Whether the device was refused at least once and never connected."""
    steps = {event.step for event in result.events}
    return Step.REFUSED in steps and Step.CONNECTED not in steps


def where_refused(result: ConnectResult) -> str:
    """The step at which the device was refused the last time, in words."""
    return "refused in the TLS handshake" if result.last_cause in _IN_TLS else "refused at the connect"
