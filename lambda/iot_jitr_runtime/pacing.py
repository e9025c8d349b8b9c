"""Pacing: callers of the AWS IoT API stay below its quota by themselves, so that throttling is the exception.

Default quotas: https://docs.aws.amazon.com/general/latest/gr/iot-core.html
"""

import time
from collections.abc import Callable

CATCH_UP_SECONDS = 0.5
"""How much of a pause may be made up for afterwards: a late poll costs no throughput, a long one no burst."""


class Pacer:
    """Lets one caller through every `1 / per_second` seconds on average, from the first call on.

    Kept at module scope, so that the pace holds across the invocations of one execution environment.
    """

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if per_second <= 0:
            raise ValueError(f"a pace of {per_second} calls a second lets nothing through")
        self._interval = 1 / per_second
        self._clock = clock
        self._sleep = sleep
        self._next = clock()

    def delay(self) -> float:
        """Return how many seconds `wait` would take now."""
        return max(0.0, self._next - self._clock())

    def wait(self) -> None:
        """Sleep until it is the caller's turn."""
        self._next = max(self._next, self._clock() - CATCH_UP_SECONDS)
        if pause := self.delay():
            self._sleep(pause)
        self._next += self._interval
