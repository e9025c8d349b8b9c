"""Clocks that stand still until a test moves them."""

from datetime import UTC, datetime, timedelta


class Clock:
    """Call it for the time; `pass_time` moves it."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **span: float) -> None:
        self.now += timedelta(**span)

    @property
    def milliseconds(self) -> int:
        return int(self.now.timestamp() * 1000)


class Stopwatch:
    """Seconds since any moment, as `time.monotonic` tells them; `sleep` moves it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
