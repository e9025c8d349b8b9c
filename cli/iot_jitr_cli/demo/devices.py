"""The demonstration's devices: each runs what `jitr connect` runs, in its own thread."""

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
"""Seconds that a device keeps trying; some two are needed."""
_LONGEST_BACKOFF = 2.0
"""Seconds; a demonstration must not wait a quarter of a minute."""
_IN_TLS = {Cause.CERTIFICATE_REJECTED, Cause.CLOSED_IN_HANDSHAKE}


class ConnectingDevice(threading.Thread):
    """A device that connects, and connects again, until it has published or is stopped."""

    def __init__(
        self,
        identity: DeviceIdentity,
        endpoint: Endpoint,
        *,
        refusals: int | None = None,
        on_event: Callable[[TimelineEvent], None] = lambda _event: None,
    ) -> None:
        """Prepare it; `start` begins.

        Args:
            identity: Its certificate and key.
            endpoint: The broker.
            refusals: It stops by itself after so many; None: it goes on.
            on_event: Called in its own thread with each event of its timeline.
        """
        # A daemon, so that a device which waits for the network does not hold up the end.
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
        """End it after its current attempt."""
        self._stop_now.set()

    def result(self) -> ConnectResult:
        """Wait until it has ended, and return how."""
        # In slices, so that Ctrl-C interrupts it.
        while self.is_alive():
            self.join(0.2)
        if self._result is None:
            raise RuntimeError(f"device {self.name} failed; its traceback is above")
        return self._result

    def last(self, step: Step) -> float:
        """When this step happened last, in seconds since 1970; 0 if it has not."""
        return max((event.at.timestamp() for event in tuple(self.events) if event.step is step), default=0.0)

    def _record(self, event: TimelineEvent) -> None:
        self.events.append(event)
        self._on_event(event)
        if sum(each.step is Step.REFUSED for each in self.events) == self._refusals:
            self.stop()


def results(devices: Sequence[ConnectingDevice]) -> list[ConnectResult]:
    """Start all at once, and wait until each has ended."""
    try:
        for device in devices:
            device.start()
        return [device.result() for device in devices]
    finally:
        for device in devices:
            device.stop()


def refused_first(result: ConnectResult) -> bool:
    """Whether the first answer was a refusal."""
    answers = [event.step for event in result.events if event.step in (Step.REFUSED, Step.CONNECTED)]
    return answers[:1] == [Step.REFUSED]


def always_refused(result: ConnectResult) -> bool:
    """Whether it was refused at least once and never connected."""
    steps = {event.step for event in result.events}
    return Step.REFUSED in steps and Step.CONNECTED not in steps


def where_refused(result: ConnectResult) -> str:
    """Where it was refused the last time, in words."""
    return "refused in the TLS handshake" if result.last_cause in _IN_TLS else "refused at the connect"
