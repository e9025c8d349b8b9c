"""How fast the reconciler may call AWS IoT: one call a second while devices wait, a few otherwise."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from iot_jitr_runtime.reconciler.requeue import ActivationQueue

WHILE_DEVICES_WAIT = 1.0
"""Seconds between two calls while the activation queue holds messages."""
OTHERWISE = 0.2
"""Seconds between two calls: half of the default quota of ListCertificatesByCA."""
LOOK_AT_QUEUE_EVERY = 5.0
"""Seconds between two looks at the activation queue."""


@dataclass
class Pace:
    """Lets the caller make its next call when it may."""

    queue: ActivationQueue
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _next: float = field(init=False)
    _looked: float | None = None
    _empty: bool = False

    def __post_init__(self) -> None:
        self._next = self.clock()

    def wait(self) -> None:
        """Sleep until the next call is allowed; botocore's errors fly."""
        if (pause := self._next - self.clock()) > 0:
            self.sleep(pause)
        self._next = self.clock() + (OTHERWISE if self.devices_do_not_wait() else WHILE_DEVICES_WAIT)

    def devices_do_not_wait(self) -> bool:
        """Whether the activation queue was empty a moment ago."""
        now = self.clock()
        if self._looked is None or now - self._looked >= LOOK_AT_QUEUE_EVERY:
            self._empty = self.queue.is_empty()
            self._looked = now
        return self._empty
