"""Clocks that a test sets forward."""

from datetime import UTC, datetime, timedelta

from iot_jitr_runtime.deadline import Deadline


class Clock:
    """A call returns the time; `pass_time` sets it forward."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **span: float) -> None:
        self.now += timedelta(**span)

    def deadline(self, **left: float) -> Deadline:
        """The deadline of a task that has this much time left."""
        return Deadline(self.now + timedelta(**left), self)

    @property
    def milliseconds(self) -> int:
        return int(self.now.timestamp() * 1000)


class Stopwatch:
    """Seconds since an arbitrary moment, as of `time.monotonic`; `sleep` sets it forward."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
