"""Exponential backoff with jitter between attempts, with at most one CONNECT a second."""

import random
from dataclasses import dataclass

ONE_CONNECT_A_SECOND = 1.0
"""Seconds between two CONNECTs of one client id (AWS IoT Core quotas: connect requests a client id)."""


@dataclass(frozen=True)
class Backoff:
    """Random delays, in seconds, from `shortest` to a limit that doubles with each attempt up to `longest`.

    The delays are random, so that devices that start together do not reconnect together. The shortest delay
    is one second, because AWS IoT Core allows one CONNECT a second for each client id.
    """

    shortest: float = ONE_CONNECT_A_SECOND
    longest: float = 15.0

    def __post_init__(self) -> None:
        if not 0 < self.shortest <= self.longest:
            raise ValueError(f"expected 0 < shortest <= longest, found {self.shortest} and {self.longest}")

    def wait_after(self, attempt: int) -> float:
        """Return a random delay after attempt number `attempt` (counted from 1), in seconds."""
        # The exponent is limited, because the float overflows at a high attempt number.
        top = min(self.longest, self.shortest * 2.0 ** min(attempt, 32))
        return random.uniform(self.shortest, top)  # noqa: S311  spreads load, not a secret
