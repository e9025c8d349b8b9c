"""Which certificates of a batch are processed now, and which wait for their slot of the rate limiter.

Devices are processed in the order of their arrival. If the slot is within a second, the function waits for
it. A message with a later slot is hidden in the activation queue. Until the slot, all further events of its
device are stale: each costs one ledger read, and they do not delay the devices that wait.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from iot_jitr_runtime.activator.activate import Decision
from iot_jitr_runtime.activator.retry import attempt
from iot_jitr_runtime.events import Message
from iot_jitr_runtime.ledger import Ledger, Row, State
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.outcomes import Reason, StaleError, Verdict
from iot_jitr_runtime.rate_limiter import SHORT_QUEUE, NoSlotError, RateLimiter

WAIT_IN_FUNCTION = timedelta(seconds=1)
"""The function itself waits for a slot that is at most this far away: SQS counts in whole seconds."""
LONGEST_QUEUE = 100_000
"""The maximum number of hidden messages in the activation queue. A standard queue holds 120,000 in flight
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html)."""
LONGEST_SLEEP = timedelta(hours=11)
"""SQS hides a message for at most 12 hours."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A registration event that is not stale, and the ledger's row of its certificate."""

    message: Message
    row: Row


def assign_slots(
    limiter: RateLimiter, ledger: Ledger, arrivals: Sequence[Arrival]
) -> tuple[list[Decision], list[tuple[Arrival, int]]]:
    """Reserve a slot for each certificate; separate those that wait from those that are processed now.

    A certificate that was refused before gets a slot only while the queue of reservations is short; otherwise
    its earlier refusal applies again.

    Args:
        limiter: The rate limiter.
        ledger: Stores each slot that is more than a second away.
        arrivals: One for each certificate, the longest waiting first.

    Returns:
        The decisions about the arrivals that wait or get no slot; the other arrivals with their slots, in
        order.
    """
    assigned: list[tuple[Arrival, int | Decision]] = []
    newcomers: list[Arrival] = []
    refused: list[Arrival] = []
    for arrival in arrivals:
        if arrival.row.reason is Reason.RATE_LIMITED:
            assigned.append((arrival, slot_or_later(limiter, arrival, arrival.row.valid_until)))
        elif arrival.row.state is State.REFUSED:
            refused.append(arrival)
        else:
            newcomers.append(arrival)
    for group, within in ((newcomers, None), (refused, SHORT_QUEUE)):
        slots = attempt(_reserve, limiter, len(group), within)
        if isinstance(slots, Verdict):
            assigned += [(each, _about(each, slots)) for each in group]
        else:
            assigned += [
                (arrival, _record_later(limiter, ledger, arrival, slot))
                for arrival, slot in zip(group, slots, strict=True)
            ]
    waiting = [slot for _, slot in assigned if isinstance(slot, Decision)]
    due = [(arrival, slot) for arrival, slot in assigned if isinstance(slot, int)]
    return waiting, sorted(due, key=lambda each: each[1])


def slot_or_later(limiter: RateLimiter, arrival: Arrival, slot: int) -> int | Decision:
    """Return the slot if the function can wait for it; otherwise the decision that delays its message.

    If the slot is further away than SQS can hide a message, the message ends and the ledger keeps the slot.
    The device's next connect after the slot, or the reconciler, causes a new event for the certificate.
    """
    left = timedelta(milliseconds=slot - milliseconds(limiter.clock()))
    if left <= WAIT_IN_FUNCTION:
        return slot
    # Rounded up: a worker does not wait for a message, because it must drop the waiting devices' further
    # events.
    seconds = math.ceil(left.total_seconds())
    longest = min(LONGEST_SLEEP, timedelta(seconds=LONGEST_QUEUE / limiter.per_second))
    return Decision(
        arrival.message,
        arrival.row.certificate_id,
        Verdict(Reason.RATE_LIMITED, f"its slot is in {seconds} s"),
        retry_in=seconds if left <= longest else None,
    )


def _reserve(limiter: RateLimiter, count: int, within: timedelta | None) -> list[int]:
    try:
        return limiter.reserve(count, within=within) if count else []
    except NoSlotError as error:
        raise StaleError(Reason.ALREADY_DECIDED, f"refused before; {error}") from error


def _record_later(limiter: RateLimiter, ledger: Ledger, arrival: Arrival, slot: int) -> int | Decision:
    assigned = slot_or_later(limiter, arrival, slot)
    if isinstance(assigned, Decision):
        failure = attempt(
            ledger.record_rate_limited,
            arrival.row,
            slot=slot,
            sent_at=arrival.message.sent_at,
            message_id=arrival.message.message_id,
            now=milliseconds(limiter.clock()),
        )
        if failure is not None:
            return _about(arrival, failure)
    return assigned


def _about(arrival: Arrival, verdict: Verdict) -> Decision:
    return Decision.about(arrival.message, arrival.row.certificate_id, verdict)
