"""The rate limiter: one budget of AWS IoT calls for the activator, the sweep and the reconciler.

AWS IoT's quotas bound how many calls an account may make in a second. The budget is handed out in *slots*.
One slot allows one `DescribeCertificate` and one `UpdateCertificate` call, and the calls with higher quotas
that go with them: what one activation needs. A caller that needs more of these two calls reserves more slots.

One item of the ledger's table holds the time of the next free slot, so the rate holds for any number of
workers (generic cell rate algorithm, virtual scheduling: ITU-T I.371, annex A).

* **Devices** are served first come, first served (`assign_slots`). A slot within a second is waited for in
  the function. A message with a later slot sleeps in the activation queue. Until then all further events of
  its device are stale, so they cost one ledger read and do not pile up behind the devices that wait.
* **Background tasks** (`RateLimiter.wait_for_background_slot`) reserve one slot at a time, and only while the
  queue of reservations is short, so each delays a device by one slot at most. While it is long they get
  `BACKGROUND_SHARE` of the rate, which devices never get: revocations go on during a storm of any length.
* **`DeleteConnection`** has a quota of its own (`RateLimiter.wait_to_disconnect`).

Quotas: https://docs.aws.amazon.com/general/latest/gr/iot-core.html
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Attr, ConditionBase

from iot_jitr_runtime.activator.retry import Failure, attempt
from iot_jitr_runtime.dynamodb import ConditionFailedError, Table, Update
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.events import Message
from iot_jitr_runtime.ledger.rows import KEY, Row, State, milliseconds
from iot_jitr_runtime.ledger.table import Ledger
from iot_jitr_runtime.outcomes import DeferredError, Reason, StaleError, Verdict

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

RATE_LIMITER_KEY = "#rate-limiter"
"""Key of the rate limiter's item in the ledger's table. No certificate's key begins with `#`."""
NEXT_SLOT = "nextSlotAt"
"""Microseconds since the epoch: at 1,000 slots a second, two slots are 1.03 ms apart."""
_NEXT_BACKGROUND_SLOT = "nextBackgroundSlotAt"
_NEXT_DISCONNECT = "nextDisconnectAt"
DISCONNECTS_PER_SECOND = 100
"""`DeleteConnection` calls of an account (AWS IoT Core quotas)."""
ONE_CLIENT = timedelta(seconds=1)
"""Between two `DeleteConnection` calls for one client id (AWS IoT Core quotas)."""

UTILISATION = 0.97
"""Share of the rate that is handed out. Without a margin, an empty quota bucket would never fill again."""
BACKGROUND_SHARE = 0.02
"""Share of the rate that only background tasks get, and only while the queue is long. It comes out of the
margin: together with `UTILISATION` it stays below 1, so it delays no device."""
SHORT_QUEUE = timedelta(seconds=5)
"""The queue of reservations is short if its next free slot is no further away."""
WAIT_IN_FUNCTION = timedelta(seconds=1)
"""A device's slot this near is waited for in the function: SQS counts in whole seconds."""
LONGEST_QUEUE = 100_000
"""Messages that sleep in the activation queue at most. A standard queue holds 120,000 in flight
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html)."""
LONGEST_SLEEP = timedelta(hours=11)
"""SQS hides a message for at most 12 hours."""

_CONFLICTS = 4


class NoSlotError(JitrError):
    """No slot is free as early as the caller needs it. Nothing was reserved."""


@dataclass
class RateLimiter:
    """Hands out `per_second` slots a second over all callers that share the table.

    Kept at module scope, so that the spacing of one worker holds across its invocations.
    """

    dynamodb: "DynamoDBClient"
    table: str
    per_second: float
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    sleep: Callable[[float], None] = time.sleep
    _not_before: int = 0
    _disconnected: dict[str, datetime] = field(default_factory=dict)
    """Client ids that this worker has disconnected within the last second, and when."""

    def reserve(self, count: int, *, within: timedelta | None = None) -> list[int]:
        """Reserve the next `count` slots; return their times in milliseconds since the epoch, in order.

        Args:
            count: How many, at least 1.
            within: Reserve only if the first slot is at most so far away.

        Raises:
            NoSlotError: The first slot is further away than `within`.
            DeferredError: `THROTTLED`: too many workers reserve at this moment.
        """
        return self._reserve(NEXT_SLOT, count, self._interval(UTILISATION), within)

    def wait_until(self, slot: int) -> None:
        """Sleep until a slot, and until one interval after the last slot that this worker waited for.

        Messages come out of the queue up to a second after their slots, several at once. The spacing spreads
        them again.
        """
        start = max(slot, self._not_before)
        if (pause := start - milliseconds(self.clock())) > 0:
            self.sleep(pause / 1000)
        self._not_before = max(start, milliseconds(self.clock())) + self._interval(UTILISATION) // 1000

    def wait_for_background_slot(self, *, until: datetime) -> None:
        """Reserve one slot for a background task and sleep until then; botocore's errors propagate.

        Args:
            until: When the caller's time is up.

        Raises:
            NoSlotError: No slot is free by then, or too many workers reserve at this moment. The next run
                goes on.
        """
        left = until - self.clock()
        if left <= timedelta(0):
            raise NoSlotError("the caller's time is up")
        try:
            try:
                [slot] = self.reserve(1, within=min(left, SHORT_QUEUE))
            except NoSlotError:
                [slot] = self._reserve(_NEXT_BACKGROUND_SLOT, 1, self._interval(BACKGROUND_SHARE), left)
        except DeferredError as error:
            raise NoSlotError(str(error)) from error
        if (pause := slot - milliseconds(self.clock())) > 0:
            self.sleep(pause / 1000)

    def wait_to_disconnect(self, client_id: str, *, until: datetime) -> None:
        """Reserve a slot for `DeleteConnection` of a client id and sleep until then.

        The account's quota holds over all workers, that of the client id within this worker: another one
        that disconnects it within the same second is throttled by AWS IoT, and tries again. botocore's errors
        propagate.

        Args:
            client_id: The client id.
            until: When the caller's time is up.

        Raises:
            NoSlotError: No slot is free by then, or too many workers reserve at this moment.
        """
        left = until - self.clock()
        if left <= timedelta(0):
            raise NoSlotError("the caller's time is up")
        interval = round(1_000_000 / (DISCONNECTS_PER_SECOND * UTILISATION))
        try:
            [slot] = self._reserve(_NEXT_DISCONNECT, 1, interval, left)
        except DeferredError as error:
            raise NoSlotError(str(error)) from error
        begun = datetime.fromtimestamp(slot / 1000, UTC)
        if client_id in self._disconnected:
            begun = max(begun, self._disconnected[client_id] + ONE_CLIENT)
        if (pause := (begun - self.clock()).total_seconds()) > 0:
            self.sleep(pause)
        now = self.clock()
        self._disconnected = {
            each: at for each, at in self._disconnected.items() if now - at < ONE_CLIENT
        } | {client_id: now}

    def _interval(self, share: float) -> int:
        """Microseconds between two slots."""
        return round(1_000_000 / (self.per_second * share))

    def _reserve(self, attribute: str, count: int, interval: int, within: timedelta | None) -> list[int]:
        now = milliseconds(self.clock())
        latest = None if within is None else now + within // timedelta(milliseconds=1)
        for _ in range(_CONFLICTS):
            end = self._append(attribute, count * interval, now, latest)
            if end is None:
                end = self._restart(attribute, count * interval, now)
            if end is not None:
                return [(end - left * interval) // 1000 for left in range(count, 0, -1)]
        raise DeferredError(Reason.THROTTLED, "too many workers reserve slots at once")

    def _append(self, attribute: str, span: int, now: int, latest: int | None) -> int | None:
        """Reserve behind the last reservation; None if all reservations lie in the past."""
        condition: ConditionBase = Attr(attribute).gte(now * 1000)
        if latest is not None:
            condition &= Attr(attribute).lte(latest * 1000)
        try:
            return self._update(
                attribute, Update(RATE_LIMITER_KEY, adds={attribute: span}, condition=condition)
            )
        except ConditionFailedError as error:
            free = error.found.get(attribute, 0) // 1000
            if latest is not None and free > latest:
                raise NoSlotError(
                    f"the next slot is in {free - now} ms, asked for one within {latest - now} ms"
                ) from error
            return None

    def _restart(self, attribute: str, span: int, now: int) -> int | None:
        """Reserve from this moment on; None if another worker has just done so."""
        condition = Attr(attribute).not_exists() | Attr(attribute).lt(now * 1000)
        sets = {attribute: now * 1000 + span}
        try:
            return self._update(attribute, Update(RATE_LIMITER_KEY, sets, condition=condition))
        except ConditionFailedError:
            return None

    def _update(self, attribute: str, update: Update) -> int:
        item = Table(self.dynamodb, self.table, KEY).update(update)
        return int(item[attribute])


@dataclass(frozen=True, slots=True)
class Arrival:
    """A registration event that the ledger does not answer, and what the ledger says of its certificate."""

    message: Message
    row: Row


@dataclass(frozen=True, slots=True)
class Later:
    """A message that is not processed now, and why."""

    verdict: Verdict
    retry_in: int | None = None
    """Seconds until the message comes back; None where the verdict's own retry policy applies."""
    drop_message: bool = False
    """The slot is further away than SQS can hide a message. The message ends and the ledger keeps the slot:
    the device's next connect after it, or the reconciler, brings the certificate back."""


def assign_slots(
    limiter: RateLimiter, ledger: Ledger, arrivals: Sequence[Arrival]
) -> dict[str, "int | Later"]:
    """Return by message id the slot of each certificate that is processed now, or why it is not.

    First come, first served, with one exception: a certificate that was refused before gets a slot only while
    the queue is short; else its earlier refusal answers it again.

    Args:
        limiter: The rate limiter.
        ledger: Where a slot is written that lies further ahead than a second.
        arrivals: One for each certificate, the longest waiting first.
    """
    assigned: dict[str, int | Later] = {}
    newcomers: list[Arrival] = []
    refused: list[Arrival] = []
    for arrival in arrivals:
        if arrival.row.reason is Reason.RATE_LIMITED:
            assigned[arrival.message.message_id] = slot_or_later(limiter, arrival.row.look_again_at)
        elif arrival.row.state is State.REFUSED:
            refused.append(arrival)
        else:
            newcomers.append(arrival)
    for group, within in ((newcomers, None), (refused, SHORT_QUEUE)):
        if group:
            assigned |= _reserve_for(limiter, ledger, group, within)
    return assigned


def _reserve_for(
    limiter: RateLimiter, ledger: Ledger, arrivals: Sequence[Arrival], within: timedelta | None
) -> dict[str, "int | Later"]:
    slots = attempt(_reserve_or_refuse, limiter, len(arrivals), within)
    if isinstance(slots, Failure):
        return {arrival.message.message_id: Later(slots.verdict) for arrival in arrivals}
    return {
        arrival.message.message_id: _record_later(limiter, ledger, arrival, slot)
        for arrival, slot in zip(arrivals, slots, strict=True)
    }


def _reserve_or_refuse(limiter: RateLimiter, count: int, within: timedelta | None) -> list[int]:
    try:
        return limiter.reserve(count, within=within)
    except NoSlotError as error:
        raise StaleError(Reason.ALREADY_DECIDED, f"refused before; {error}") from error


def _record_later(limiter: RateLimiter, ledger: Ledger, arrival: Arrival, slot: int) -> "int | Later":
    assigned = slot_or_later(limiter, slot)
    if isinstance(assigned, Later):
        failure = attempt(
            ledger.record_rate_limited,
            arrival.row,
            slot=slot,
            sent_at=arrival.message.sent_at,
            message_id=arrival.message.message_id,
            now=milliseconds(limiter.clock()),
        )
        if failure is not None:
            return Later(failure.verdict)
    return assigned


def slot_or_later(limiter: RateLimiter, slot: int) -> "int | Later":
    """Return the slot if the function can wait for it, else for how long its message sleeps."""
    left = timedelta(milliseconds=slot - milliseconds(limiter.clock()))
    if left <= WAIT_IN_FUNCTION:
        return slot
    # Rounded up: the workers have the waiting devices' further events to drop, so none sleeps for a message.
    seconds = math.ceil(left.total_seconds())
    longest = min(LONGEST_SLEEP, timedelta(seconds=LONGEST_QUEUE / limiter.per_second))
    verdict = Verdict.because(Reason.RATE_LIMITED, f"its slot is in {seconds} s")
    return Later(verdict, retry_in=seconds, drop_message=left > longest)
