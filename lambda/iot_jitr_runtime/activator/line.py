"""Who is examined now and who stands in line: an examination costs AWS IoT calls, so each takes a turn.

First come, first served, with one exception: a refused device that knocks again stands behind everybody else.
Where others wait, its earlier refusal answers it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from iot_jitr_runtime.activator.activation import Decision
from iot_jitr_runtime.aws_errors import AwsError, deferral
from iot_jitr_runtime.events import Message
from iot_jitr_runtime.ledger import LineTooLongError, Row, State, Turns
from iot_jitr_runtime.outcomes import DecisionError, Reason, Verdict

AT_ONCE = 1000
"""Milliseconds. A turn that comes up this soon is waited for in the function: the queue counts seconds."""
SHORT_LINE = 5000
"""Milliseconds. A refused device is looked at again only where nobody waits longer than this."""
LONGEST_LINE = 100_000
"""Messages that wait in the queue at most: a standard queue holds 120,000 in flight
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html)."""
LONGEST_SLEEP = timedelta(hours=11)
"""SQS hides a message for at most 12 hours."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A registration event that nothing has answered yet, and what the ledger says of its certificate."""

    message: Message
    row: Row

    def waits_in(self, waiting: Mapping[str, Decision]) -> bool:
        """Whether `Line.sort_out` let it wait."""
        return self.message.message_id in waiting


@dataclass(frozen=True)
class Line:
    """Gives every certificate its turn."""

    turns: Turns

    def sort_out(self, arrivals: Sequence[Arrival], now: int) -> dict[str, Decision]:
        """Give turns to those who have none; return, by message id, the decisions about all who must wait.

        Whose message is not in the answer is examined now.

        Args:
            arrivals: One for each certificate, the one who waits longest first.
            now: This moment, in milliseconds since the epoch.
        """
        waiting: dict[str, Decision] = {}
        newcomers: list[Arrival] = []
        refused: list[Arrival] = []
        for arrival in arrivals:
            if arrival.row.reason is Reason.AWAITING_TURN:
                if arrival.row.look_again_at > now + AT_ONCE:
                    waiting[arrival.message.message_id] = self._asleep(
                        arrival, arrival.row.look_again_at, now
                    )
            elif arrival.row.state is State.REFUSED:
                refused.append(arrival)
            else:
                newcomers.append(arrival)
        return waiting | self._line_up(newcomers, now, None) | self._line_up(refused, now, SHORT_LINE)

    def _line_up(self, arrivals: Sequence[Arrival], now: int, within: int | None) -> dict[str, Decision]:
        if not arrivals:
            return {}
        try:
            turns = self.turns.reserve(len(arrivals), now=now, within=within)
        except LineTooLongError as error:
            verdict = Verdict.because(Reason.ALREADY_DECIDED, f"refused before; {error}")
            return {a.message.message_id: _undecided(a, verdict) for a in arrivals}
        except DecisionError as decided:
            return {a.message.message_id: _undecided(a, decided.verdict) for a in arrivals}
        except AwsError as error:
            return {a.message.message_id: _undecided(a, deferral(error).verdict) for a in arrivals}
        return {
            arrival.message.message_id: self._wait(arrival, turn, now)
            for arrival, turn in zip(arrivals, turns, strict=True)
            if turn > now + AT_ONCE
        }

    def _wait(self, arrival: Arrival, turn: int, now: int) -> Decision:
        message = arrival.message
        try:
            self.turns.wait(
                arrival.row, turn=turn, sent_at=message.sent_at, message_id=message.message_id, now=now
            )
        except DecisionError as decided:
            return _undecided(arrival, decided.verdict)
        except AwsError as error:
            return _undecided(arrival, deferral(error).verdict)
        return self._asleep(arrival, turn, now)

    def _asleep(self, arrival: Arrival, turn: int, now: int) -> Decision:
        sleep = math.ceil((turn - now) / 1000)
        longest = min(LONGEST_SLEEP.total_seconds(), LONGEST_LINE / self.turns.per_second)
        return Decision(
            Verdict.because(Reason.AWAITING_TURN, f"its turn is in {sleep} s"),
            arrival.row.certificate_id,
            retry_in=sleep,
            place_kept=sleep > longest,
        )


def _undecided(arrival: Arrival, verdict: Verdict) -> Decision:
    return Decision.unrecorded(arrival.message, arrival.row.certificate_id, verdict)
