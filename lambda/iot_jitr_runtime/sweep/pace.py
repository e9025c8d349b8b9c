"""How fast the sweep may call AWS IoT: it takes turns from the line that all callers share.

Who revokes does not stand behind a fleet that waits to be let in: where the line is long, the sweep goes
ahead at a fifth of the rate. Its turns are taken all the same, so the line moves back by as much.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from iot_jitr_runtime.ledger import Turns

_SHARE_AHEAD = 0.2


@dataclass(frozen=True)
class Pace:
    """Lets the sweep touch its next certificate when it may."""

    turns: Turns
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    sleep: Callable[[float], None] = time.sleep

    def wait(self) -> None:
        """Sleep until the next certificate's turn; botocore's errors fly.

        Raises:
            DeferredError: `THROTTLED`: too many ask for a turn at this moment.
        """
        now = int(self.clock().timestamp() * 1000)
        [turn] = self.turns.reserve(1, now=now)
        longest = 1 / (_SHARE_AHEAD * self.turns.per_second)
        self.sleep(min(max(0, turn - now) / 1000, longest))
