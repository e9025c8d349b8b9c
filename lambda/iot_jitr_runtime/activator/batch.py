"""One batch of the activation queue: drop what is decided, reserve slots, decide the rest, end each message.

A message ends acknowledged (activated, stale, refused), in the dead-letter queue (permanent error), or back
in the activation queue with a growing visibility time-out (deferred). A bad message never affects the others.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from iot_jitr_runtime.activator.activate import Activation, Decision
from iot_jitr_runtime.activator.retry import Failure, attempt
from iot_jitr_runtime.aws_errors import AwsError
from iot_jitr_runtime.events import Message, certificate_id
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import Ledger, Row
from iot_jitr_runtime.outcomes import Outcome, Reason, Verdict
from iot_jitr_runtime.rate_limiter import Arrival, Later, RateLimiter, assign_slots

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import ChangeMessageVisibilityBatchRequestEntryTypeDef

log = logging.getLogger(__name__)

Decided = list[tuple[Message, Decision]]
"""Messages, and what was decided about each."""
_ENTRIES = 10
"""SQS takes so many entries in one batch request."""
_NOT_HIDDEN = "%d messages keep the queue's visibility time-out: %s"


@dataclass(frozen=True)
class Batch:
    """Processes the messages of one invocation, oldest first."""

    activation: Activation
    ledger: Ledger
    rate_limiter: RateLimiter
    sqs: "SQSClient"
    queue_url: str
    dead_letter_queue_url: str

    def process(
        self,
        records: Iterable[Mapping[str, Any]],
        *,
        stopped_by: datetime,
        on_decision: Callable[[Decision], None],
    ) -> dict[str, Any]:
        """Decide about every record and return Lambda's partial batch response.

        Args:
            records: The records of the SQS event.
            stopped_by: When this function is stopped at the latest.
            on_decision: Called with each decision at once, for logs and metrics.
        """
        # The device that has waited longest comes first, whatever the order in which SQS delivers.
        messages = sorted(map(Message.from_record, records), key=lambda message: message.sent_at)
        decided, arrivals = self.drop_decided(messages)
        waiting, due = self.reserve_slots(arrivals)
        # If the function crashes during an activation, the waiting messages keep their slots.
        failures = self.end(decided + waiting, on_decision)
        for arrival, slot in due:
            self.rate_limiter.wait_until(slot)
            decision = self.activation.decide(
                arrival.message, arrival.row.certificate_id, stopped_by=stopped_by
            )
            failures += self.end([(arrival.message, decision)], on_decision)
        self.ledger.publish_events(stopped_by)
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failures]}

    def drop_decided(self, messages: Sequence[Message]) -> tuple[Decided, list[Arrival]]:
        """Separate what the ledger has decided already, and what is no event, by one batched read."""
        decided: Decided = []
        named: list[tuple[Message, CertificateId]] = []
        for message in messages:
            found = attempt(certificate_id, message.body)
            if isinstance(found, Failure):
                decided.append((message, Decision.about(message, None, found.verdict)))
            else:
                named.append((message, found))
        rows = attempt(self.ledger.rows, [certificate for _, certificate in named])
        arrivals: dict[CertificateId, Arrival] = {}
        for message, certificate in named:
            if isinstance(rows, Failure):
                decided.append((message, Decision.about(message, certificate, rows.verdict, rows.defect)))
                continue
            row = rows.get(certificate) or Row(certificate)
            if row.makes_stale(message.sent_at, message.message_id):
                verdict = Verdict.because(Reason.ALREADY_DECIDED, f"{row.state}")
            elif certificate in arrivals:
                verdict = Verdict.because(Reason.DUPLICATE)
            else:
                arrivals[certificate] = Arrival(message, row)
                continue
            decided.append((message, Decision.about(message, certificate, verdict)))
        return decided, list(arrivals.values())

    def reserve_slots(self, arrivals: Sequence[Arrival]) -> tuple[Decided, list[tuple[Arrival, int]]]:
        """Reserve a slot for each certificate; separate those whose slot is later, or that get none."""
        assigned = assign_slots(self.rate_limiter, self.ledger, arrivals)
        waiting: Decided = []
        due: list[tuple[Arrival, int]] = []
        for arrival in arrivals:
            slot = assigned[arrival.message.message_id]
            if isinstance(slot, Later):
                waiting.append((arrival.message, _later(arrival, slot)))
            else:
                due.append((arrival, slot))
        return waiting, due

    def end(self, decided: Decided, on_decision: Callable[[Decision], None]) -> list[str]:
        """End each message by its decision; return the ids of those that go back to the queue."""
        ended = [(message, self._dead_lettered(message, decision)) for message, decision in decided]
        back = [
            (message, decision)
            for message, decision in ended
            if decision.verdict.outcome is Outcome.DEFERRED and not decision.drop_message
        ]
        self._hide(back)
        for _, decision in ended:
            on_decision(decision)
        return [message.message_id for message, _ in back]

    def _dead_lettered(self, message: Message, decision: Decision) -> Decision:
        if decision.verdict.outcome is not Outcome.DEAD_LETTERED:
            return decision
        failure = attempt(self._send_to_dead_letters, message, decision.verdict)
        if failure is None:
            return decision
        return Decision.about(message, decision.certificate_id, failure.verdict, failure.defect)

    def _send_to_dead_letters(self, message: Message, verdict: Verdict) -> None:
        attributes = {
            "reason": verdict.reason or "",
            "detail": verdict.detail,
            "messageId": message.message_id,
        }
        self.sqs.send_message(
            QueueUrl=self.dead_letter_queue_url,
            MessageBody=message.body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in attributes.items()
                if value
            },
        )

    def _hide(self, back: Decided) -> None:
        """Hide messages in the queue until their retry.

        What SQS does not hide comes back all the same, after the queue's own visibility time-out.
        """
        for start in range(0, len(back), _ENTRIES):
            entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
                {
                    "Id": str(number),
                    "ReceiptHandle": message.receipt_handle,
                    "VisibilityTimeout": decision.retry_in,
                }
                for number, (message, decision) in enumerate(back[start : start + _ENTRIES])
            ]
            try:
                answer = self.sqs.change_message_visibility_batch(QueueUrl=self.queue_url, Entries=entries)
            except AwsError as error:
                log.warning(_NOT_HIDDEN, len(entries), error)
            else:
                if codes := [failed["Code"] for failed in answer.get("Failed", [])]:
                    log.warning(_NOT_HIDDEN, len(codes), ", ".join(sorted(set(codes))))


def _later(arrival: Arrival, later: Later) -> Decision:
    decision = Decision.about(arrival.message, arrival.row.certificate_id, later.verdict)
    if later.retry_in is None:
        return decision
    return replace(decision, retry_in=later.retry_in, drop_message=later.drop_message)
