"""This pipeline's activator without its stale-event check, for comparison: every event is examined.

The benchmark deploys it instead of the real handler. It has no batched ledger read, and it ignores the
ledger's decision at the claim and for waiting certificates. Each event gets its own slot, because each event
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


def _claim_despite_decision(self: Ledger, certificate_id: Any, **arguments: Any) -> Claim:
    return _claim(self, certificate_id, **(arguments | {"sent_at": _NEVER_STALE}))


Ledger.rows = _no_rows  # type: ignore[method-assign]
batch.assign_slots = _a_slot_for_each_event  # type: ignore[attr-defined]
Ledger.claim = _claim_despite_decision  # type: ignore[method-assign,assignment]

handle = handler.handle
