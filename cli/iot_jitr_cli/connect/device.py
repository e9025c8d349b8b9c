"""One device: connect, be refused, wait, connect again, publish; each step is reported."""

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from iot_jitr_cli.connect.attempt import Attempt, Exchange, probe
from iot_jitr_cli.connect.backoff import Backoff
from iot_jitr_cli.connect.causes import Cause
from iot_jitr_cli.connect.timeline import ConnectResult, Ending, Step, TimelineEvent
from iot_jitr_cli.console import WrongUseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from iot_jitr_cli.connect.causes import Failure
    from iot_jitr_cli.connect.credentials import Credentials
    from iot_jitr_cli.connect.endpoint import Endpoint

ATTEMPT_TIMEOUT = 10.0
"""Maximum duration of one attempt, in seconds."""
LAST_ATTEMPT_TIMEOUT = 2.0
"""Minimum time limit of an attempt, in seconds, even if the time-out ends earlier."""
PROBE_WAIT = 2.0
"""Seconds after the TLS handshake within which a server closes if it refuses the certificate."""
DEFAULT_TIMEOUT = 60.0
"""Seconds to keep trying."""
DEFAULT_TOPIC = "devices/{client_id}/hello"
"""The default device policy allows this topic: it allows everything below `devices/<client id>/`."""


@dataclass(frozen=True)
class Device:
    """A device, its endpoint, and the time limit of its attempts to connect.

    Raises:
        WrongUseError: No message can be published to the topic.
    """

    credentials: "Credentials"
    endpoint: "Endpoint"
    client_id: str
    topic: str = DEFAULT_TOPIC
    """The topic of the message; `{client_id}` is replaced by the client id."""
    timeout: float = DEFAULT_TIMEOUT
    """Seconds after which no further attempt begins."""
    backoff: Backoff = field(default_factory=Backoff)

    def __post_init__(self) -> None:
        check_topic(self.topic)


def check_topic(topic: str) -> None:
    """Check that a message can be published to a topic (MQTT 3.1.1 section 4.7.1).

    Raises:
        WrongUseError: It has a wildcard, or is empty.
    """
    if not topic or any(wildcard in topic for wildcard in "+#"):
        raise WrongUseError(f"topic '{topic}': expected one topic to publish to, without '+' and '#'")


def connect(
    device: Device,
    on_event: "Callable[[TimelineEvent], None]" = lambda _event: None,
    stop: threading.Event | None = None,
    clock: "Callable[[], float]" = time.monotonic,
) -> ConnectResult:
    """Connect one device, in the caller's thread. Several devices need one thread each.

    Args:
        device: The device.
        on_event: Called in this thread with each step, at the time of the step.
        stop: Set by another thread to stop the device after its current attempt.
        clock: Returns seconds since any fixed moment; it measures the device's time-out.

    Returns:
        The result with all events. A refusal is a result, not an error.

    Raises:
        UnreadableChainError: The endpoint's CA file contains no certificates.
    """
    return _Connecting(device, on_event, stop or threading.Event(), clock).run()


class _Connecting:
    def __init__(
        self,
        device: Device,
        on_event: "Callable[[TimelineEvent], None]",
        stop: threading.Event,
        clock: "Callable[[], float]",
    ) -> None:
        self._device = device
        self._on_event = on_event
        self._stop = stop
        self._clock = clock
        self._context = device.credentials.tls_context(device.endpoint)
        self._events: list[TimelineEvent] = []
        self._attempt = 0
        self._began = clock()
        self._began_at = datetime.now(UTC)

    def run(self) -> ConnectResult:
        ending = self._ending()
        return ConnectResult(self._device.client_id, ending, tuple(self._events))

    def _ending(self) -> Ending:
        while not self._stop.is_set():
            self._attempt += 1
            failure = self._try_once()
            if failure is None:
                return Ending.PUBLISHED
            self._record(Step.REFUSED if failure.cause.answered else Step.FAILED, failure.text, failure.cause)
            backoff = self._device.backoff
            if failure.cause.permanent or self._time_left < backoff.shortest:
                return self._give_up(failure)
            wait = min(backoff.wait_after(self._attempt), self._time_left)
            self._record(Step.WAITING, f"{wait:.1f} s")
            self._stop.wait(wait)
        return Ending.STOPPED

    def _try_once(self) -> "Failure | None":
        device = self._device
        self._record(Step.CONNECTING, f"{device.client_id} to {device.endpoint}")
        exchange = Exchange(device.client_id, device.topic.replace("{client_id}", device.client_id))
        attempt = Attempt(exchange, self._context, self._record, self._clock)
        return attempt.run(device.endpoint, max(LAST_ATTEMPT_TIMEOUT, min(ATTEMPT_TIMEOUT, self._time_left)))

    def _give_up(self, failure: "Failure") -> Ending:
        if failure.cause is Cause.CLOSED_WITHOUT_CONNACK:
            refusal = probe(self._device.endpoint, self._context, limit=ATTEMPT_TIMEOUT, wait=PROBE_WAIT)
            if refusal is None:
                self._record(Step.PROBED, "TLS accepts the certificate; it is the CONNECT that is refused")
            else:
                self._record(Step.PROBED, refusal.text, refusal.cause)
        answered = any(event.cause and event.cause.answered for event in self._events)
        return Ending.REFUSED if answered else Ending.UNREACHABLE

    @property
    def _time_left(self) -> float:
        return self._device.timeout - (self._clock() - self._began)

    def _record(self, step: Step, detail: str, cause: Cause | None = None) -> None:
        elapsed = self._clock() - self._began
        # All times use the same clock, so an adjustment of the system's time does not change the order.
        at = self._began_at + timedelta(seconds=elapsed)
        event = TimelineEvent(step, at, round(elapsed, 3), self._attempt, detail, cause)
        self._events.append(event)
        self._on_event(event)
