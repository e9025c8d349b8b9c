"""Waiting between attempts: exponential, jittered, and never more than one CONNECT a second."""

import random
from dataclasses import dataclass

ONE_CONNECT_A_SECOND = 1.0
"""Seconds between two CONNECTs of one client id (AWS IoT Core quotas: connect requests a client id)."""


@dataclass(frozen=True)
class Backoff:
    """Random waits, in seconds, from `shortest` to a limit that doubles with each attempt up to `longest`.

    Random, so that a fleet that comes up together does not come back together; beginning at a second, so
    that no two CONNECTs of one client id are closer than AWS IoT Core allows.
    """

    shortest: float = ONE_CONNECT_A_SECOND
    longest: float = 15.0

    def __post_init__(self) -> None:
        if not 0 < self.shortest <= self.longest:
            raise ValueError(f"expected 0 < shortest <= longest, found {self.shortest} and {self.longest}")

    def wait_after(self, attempt: int) -> float:
        """Draw the wait after attempt number `attempt` (counted from 1), in seconds."""
        # The exponent is capped because a float overflows where the range has long reached `longest`.
        top = min(self.longest, self.shortest * 2.0 ** min(attempt, 32))
        return random.uniform(self.shortest, top)  # noqa: S311  spreads load, guards nothing
