"""This pipeline's activator without its stale-event check, for comparison: every event is examined.

Deployed in the place of the real handler by the benchmark. What is taken out: the batched ledger read, and
the ledger's answer at the claim and in the line. Each event takes a turn of its own, as each costs AWS IoT
calls.
"""

import math
from collections.abc import Sequence
from typing import Any

from iot_jitr_runtime.activator import handler
from iot_jitr_runtime.activator.activation import Decision
from iot_jitr_runtime.activator.batch import Batch
from iot_jitr_runtime.activator.line import AT_ONCE, Arrival, Line
from iot_jitr_runtime.ledger import Claim, Ledger
from iot_jitr_runtime.outcomes import Reason, Verdict

_claim = Ledger.claim
_NEVER_STALE = 2**53


def _no_rows(self: Batch, named: object) -> tuple[dict[Any, Any], None]:
    del self, named
    return {}, None


def _a_turn_for_everybody(self: Line, arrivals: Sequence[Arrival], now: int) -> dict[str, Decision]:
    newcomers = [arrival for arrival in arrivals if arrival.message.receive_count == 1]
    turns = self.turns.reserve(len(newcomers), now=now) if newcomers else []
    return {
        arrival.message.message_id: Decision(
            Verdict.because(Reason.AWAITING_TURN),
            arrival.row.certificate_id,
            retry_in=math.ceil((turn - now) / 1000),
        )
        for arrival, turn in zip(newcomers, turns, strict=True)
        if turn > now + AT_ONCE
    }


def _claim_whatever_was_decided(self: Ledger, certificate_id: Any, **arguments: Any) -> Claim:
    return _claim(self, certificate_id, **(arguments | {"sent_at": _NEVER_STALE}))


Batch._rows = _no_rows  # type: ignore[method-assign,assignment]  # noqa: SLF001
Line.sort_out = _a_turn_for_everybody  # type: ignore[method-assign]
Ledger.claim = _claim_whatever_was_decided  # type: ignore[method-assign,assignment]

handle = handler.handle
