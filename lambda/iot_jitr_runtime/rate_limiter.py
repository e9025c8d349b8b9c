"""The rate limiter: one budget of AWS IoT calls for the activator, the sweep and the reconciler.

AWS IoT's quotas bound how many calls an account may make in a second. The budget is handed out in *slots*.
One slot allows the calls of one activation: one `DescribeCertificate`, one `UpdateCertificate`, and its other
calls, which have higher quotas. A caller that needs more of these two calls reserves more slots.

One item of the ledger's table holds the time of the next free slot, so the rate holds for any number of
workers (generic cell rate algorithm, virtual scheduling: ITU-T I.371, annex A).

* **Devices** get slots in the order of their arrival (`activator.slots`).
* **Background tasks** (`RateLimiter.wait_for_background_slot`) reserve one slot at a time, and only while the
  queue of reservations is short, so each task delays a device by one slot at most. While the queue is long,
  they get `BACKGROUND_SHARE` of the rate, which devices never get: revocations continue during a mass connect
  of any length.
* **`DeleteConnection`** has a quota of its own (`RateLimiter.wait_to_disconnect`).

Quotas: https://docs.aws.amazon.com/general/latest/gr/iot-core.html
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from boto3.dynamodb.conditions import Attr, ConditionBase

from iot_jitr_runtime.dynamodb import ConditionFailedError, Table, Update
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.outcomes import DeferredError, Reason

RATE_LIMITER_KEY = "#rate-limiter"
"""Key of the rate limiter's item in the ledger's table. No certificate's key begins with `#`."""
NEXT_SLOT = "nextSlotAt"
"""Microseconds since the epoch: at 1,000 slots a second, two slots are 1.03 ms apart."""
_NEXT_BACKGROUND_SLOT = "nextBackgroundSlotAt"
_NEXT_DISCONNECT = "nextDisconnectAt"
DISCONNECTS_PER_SECOND = 100
"""`DeleteConnection` calls of an account (AWS IoT Core quotas)."""
_ONE_CLIENT = 1000
"""Milliseconds between two `DeleteConnection` calls for one client id (AWS IoT Core quotas)."""

UTILISATION = 0.97
"""Share of the rate that is handed out. Without a margin, an exhausted quota would never recover."""
BACKGROUND_SHARE = 0.02
"""Share of the rate that only background tasks get, and only while the queue is long. It is a part of the
margin: together with `UTILISATION` it is below 1, so it delays no device."""
SHORT_QUEUE = timedelta(seconds=5)
"""The queue of reservations is short if its next free slot is no further away."""
_CONFLICTS = 4


class NoSlotError(JitrError):
    """No slot is free as early as the caller needs it. Nothing was reserved."""


@dataclass
class RateLimiter:
    """Hands out `per_second` slots a second over all callers that share the table.

    Kept at module scope, so that the spacing of one worker holds across its invocations.
    """

    items: Table
    """The ledger's table."""
    per_second: float
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    sleep: Callable[[float], None] = time.sleep
    _not_before: int = 0
    _disconnected: dict[str, int] = field(default_factory=dict)
    """Client ids that this worker has disconnected within the last second, and when, in milliseconds."""

    def reserve(self, count: int, *, within: timedelta | None = None) -> list[int]:
        """Reserve the next `count` slots; return their times in milliseconds since the epoch, in order.

        Args:
            count: How many, at least 1.
            within: Reserve only if the first slot is at most so far away.

        Raises:
            NoSlotError: The first slot is further away than `within`.
            DeferredError: `THROTTLED`: too many workers reserve at this moment.
        """
        return self._reserve(NEXT_SLOT, count, _interval(self.per_second * UTILISATION), within)

    def wait_until(self, slot: int) -> None:
        """Sleep until a slot, and until one interval after the last slot that this worker waited for.

        SQS delivers messages up to a second after their slots, several at once. The interval separates them
        again.
        """
        start = max(slot, self._not_before)
        now = self._sleep_until(start)
        self._not_before = max(start, now) + _interval(self.per_second * UTILISATION) // 1000

    def wait_for_background_slot(self, *, until: datetime) -> None:
        """Reserve one slot for a background task and sleep until then; botocore's errors propagate.

        Args:
            until: The latest time of a slot.

        Raises:
            NoSlotError: No slot is free by then, or too many workers reserve at this moment. The next run
                continues.
        """
        try:
            slot = self._reserve_one(NEXT_SLOT, self.per_second * UTILISATION, until, SHORT_QUEUE)
        except NoSlotError:
            slot = self._reserve_one(_NEXT_BACKGROUND_SLOT, self.per_second * BACKGROUND_SHARE, until)
        self._sleep_until(slot)

    def wait_to_disconnect(self, client_id: str, *, until: datetime) -> None:
        """Reserve a slot for `DeleteConnection` of a client id and sleep until then.

        The account's quota is kept over all workers, the quota of the client id only within this worker: if
        another worker disconnects the same client id in the same second, AWS IoT throttles the call, and that
        worker tries again. botocore's errors propagate.

        Args:
            client_id: The client id.
            until: The latest time of a slot.

        Raises:
            NoSlotError: No slot is free by then, or too many workers reserve at this moment.
        """
        slot = self._reserve_one(_NEXT_DISCONNECT, DISCONNECTS_PER_SECOND * UTILISATION, until)
        now = self._sleep_until(max(slot, self._disconnected.get(client_id, 0) + _ONE_CLIENT))
        recent = {each: at for each, at in self._disconnected.items() if now - at < _ONE_CLIENT}
        self._disconnected = recent | {client_id: now}

    def _sleep_until(self, moment: int) -> int:
        """Sleep until a future time; return the present time. Both are in milliseconds since the epoch."""
        if (pause := moment - milliseconds(self.clock())) > 0:
            self.sleep(pause / 1000)
        return milliseconds(self.clock())

    def _reserve_one(
        self, attribute: str, per_second: float, until: datetime, longest: timedelta = timedelta.max
    ) -> int:
        left = until - self.clock()
        if left <= timedelta(0):
            raise NoSlotError("the deadline has passed")
        try:
            [slot] = self._reserve(attribute, 1, _interval(per_second), min(left, longest))
        except DeferredError as error:
            raise NoSlotError(str(error)) from error
        return slot

    def _reserve(self, attribute: str, count: int, interval: int, within: timedelta | None) -> list[int]:
        now, span = milliseconds(self.clock()), count * interval
        latest = None if within is None else now + within // timedelta(milliseconds=1)
        free: ConditionBase = Attr(attribute).gte(now * 1000)
        if latest is not None:
            free &= Attr(attribute).lte(latest * 1000)
        behind_the_last = Update(RATE_LIMITER_KEY, adds={attribute: span}, condition=free)
        # All reserved slots are in the past.
        from_now = Update(
            RATE_LIMITER_KEY,
            {attribute: now * 1000 + span},
            condition=Attr(attribute).not_exists() | Attr(attribute).lt(now * 1000),
        )
        for update in [behind_the_last, from_now] * _CONFLICTS:
            try:
                end: int = self.items.update(update)[attribute]
            except ConditionFailedError as error:
                next_slot = error.found.get(attribute, 0) // 1000
                if latest is not None and next_slot > latest:
                    raise NoSlotError(
                        f"the next slot is in {next_slot - now} ms, asked for one within {latest - now} ms"
                    ) from error
            else:
                return [(end - left * interval) // 1000 for left in range(count, 0, -1)]
        raise DeferredError(Reason.THROTTLED, "too many workers reserve slots at once")


def _interval(per_second: float) -> int:
    """Return the microseconds between two slots."""
    return round(1_000_000 / per_second)
