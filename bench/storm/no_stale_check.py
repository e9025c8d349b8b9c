"""This pipeline's activator without its stale-event check, for comparison: every event is examined.

Deployed in the place of the real handler by the benchmark. What is taken out: the batched ledger read, and
the ledger's answer at the claim and for waiting certificates. Each event gets a slot of its own, as each
costs AWS IoT calls.
"""

from collections.abc import Sequence
from typing import Any

from iot_jitr_runtime.activator import batch, handler
from iot_jitr_runtime.activator.activate import Decision
from iot_jitr_runtime.activator.slots import Arrival, slot_or_later
from iot_jitr_runtime.ledger import Claim, Ledger
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.rate_limiter import RateLimiter

_claim = Ledger.claim
_NEVER_STALE = 2**53


def _no_rows(self: Ledger, certificate_ids: object) -> dict[Any, Any]:
    del self, certificate_ids
    return {}


def _a_slot_for_each_event(
    limiter: RateLimiter, ledger: Ledger, arrivals: Sequence[Arrival]
) -> tuple[list[Decision], list[tuple[Arrival, int]]]:
    del ledger
    now = milliseconds(limiter.clock())
    due = [(arrival, now) for arrival in arrivals if arrival.message.receive_count > 1]
    newcomers = [arrival for arrival in arrivals if arrival.message.receive_count == 1]
    slots = limiter.reserve(len(newcomers)) if newcomers else []
    waiting = []
    for arrival, slot in zip(newcomers, slots, strict=True):
        later = slot_or_later(limiter, arrival, slot)
        if isinstance(later, Decision):
            waiting.append(later)
        else:
            due.append((arrival, later))
    return waiting, due


def _claim_whatever_was_decided(self: Ledger, certificate_id: Any, **arguments: Any) -> Claim:
    return _claim(self, certificate_id, **(arguments | {"sent_at": _NEVER_STALE}))


Ledger.rows = _no_rows  # type: ignore[method-assign]
batch.assign_slots = _a_slot_for_each_event  # type: ignore[attr-defined]
Ledger.claim = _claim_whatever_was_decided  # type: ignore[method-assign,assignment]

handle = handler.handle
