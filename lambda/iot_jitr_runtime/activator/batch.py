"""One batch of the activation queue: drop decided events, reserve slots, decide the others, end each message.

A message ends acknowledged (activated, stale, refused), in the dead-letter queue (permanent error), or back
in the activation queue with a growing visibility time-out (deferred). A bad message never affects the others.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from iot_jitr_runtime.activator.activate import Activation, Decision
from iot_jitr_runtime.activator.retry import attempt
from iot_jitr_runtime.activator.slots import Arrival, assign_slots
from iot_jitr_runtime.aws_errors import AwsError
from iot_jitr_runtime.events import Message, certificate_id
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import Row
from iot_jitr_runtime.outcomes import Outcome, Reason, Verdict
from iot_jitr_runtime.rate_limiter import RateLimiter

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import ChangeMessageVisibilityBatchRequestEntryTypeDef

log = logging.getLogger(__name__)

_ENTRIES = 10
"""The maximum number of entries in one SQS batch request."""
_NOT_HIDDEN = "%d messages keep the queue's visibility time-out: %s"


@dataclass(frozen=True)
class Batch:
    """Processes the messages of one invocation, oldest first."""

    activation: Activation
    rate_limiter: RateLimiter
    sqs: "SQSClient"
    queue_url: str
    dead_letter_queue_url: str

    def process(
        self,
        records: Iterable[Mapping[str, Any]],
        *,
        stops_at: datetime,
        on_decision: Callable[[Decision], None],
    ) -> dict[str, Any]:
        """Decide about every record and return Lambda's partial batch response.

        Args:
            records: The records of the SQS event.
            stops_at: The time at which the function must stop.
            on_decision: Called with each decision at once, for logs and metrics.
        """
        # The device that has waited longest is processed first, in whatever order SQS delivers the messages.
        messages = sorted(map(Message.from_record, records), key=lambda message: message.sent_at)
        decided, arrivals = self.drop_decided(messages)
        waiting, due = assign_slots(self.rate_limiter, self.activation.ledger, arrivals)
        # If the function crashes during an activation, the waiting messages keep their slots.
        back = self.end(decided + waiting, on_decision)
        for arrival, slot in due:
            self.rate_limiter.wait_until(slot)
            decision = self.activation.decide(arrival.message, arrival.row.certificate_id, stops_at=stops_at)
            back += self.end([decision], on_decision)
        self.activation.ledger.publish_events(stops_at)
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in back]}

    def drop_decided(self, messages: Sequence[Message]) -> tuple[list[Decision], list[Arrival]]:
        """Separate decided events, and messages that are not events, with one batched read of the ledger."""
        decided: list[Decision] = []
        named: list[tuple[Message, CertificateId]] = []
        for message in messages:
            found = attempt(certificate_id, message.body)
            if isinstance(found, Verdict):
                decided.append(Decision.about(message, None, found))
            else:
                named.append((message, found))
        rows = attempt(self.activation.ledger.rows, [certificate for _, certificate in named])
        arrivals: dict[CertificateId, Arrival] = {}
        for message, certificate in named:
            if isinstance(rows, Verdict):
                verdict = rows
            elif (row := rows.get(certificate, Row(certificate))).makes_stale(
                message.sent_at, message.message_id
            ):
                verdict = Verdict(Reason.ALREADY_DECIDED, f"{row.state}")
            elif certificate in arrivals:
                verdict = Verdict(Reason.DUPLICATE)
            else:
                arrivals[certificate] = Arrival(message, row)
                continue
            decided.append(Decision.about(message, certificate, verdict))
        return decided, list(arrivals.values())

    def end(self, decisions: Iterable[Decision], on_decision: Callable[[Decision], None]) -> list[str]:
        """End each message by its decision; return the ids of those that go back to the queue."""
        ended = [self._dead_lettered(decision) for decision in decisions]
        back = [(each.message, each.retry_in) for each in ended if each.retry_in is not None]
        self._hide(back)
        for decision in ended:
            on_decision(decision)
        return [message.message_id for message, _ in back]

    def _dead_lettered(self, decision: Decision) -> Decision:
        if decision.verdict.outcome is not Outcome.DEAD_LETTERED:
            return decision
        failure = attempt(self._send_to_dead_letters, decision.message, decision.verdict)
        return (
            decision
            if failure is None
            else Decision.about(decision.message, decision.certificate_id, failure)
        )

    def _send_to_dead_letters(self, message: Message, verdict: Verdict) -> None:
        attributes = {"reason": verdict.reason, "detail": verdict.detail, "messageId": message.message_id}
        self.sqs.send_message(
            QueueUrl=self.dead_letter_queue_url,
            MessageBody=message.body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in attributes.items()
                if value
            },
        )

    def _hide(self, back: Sequence[tuple[Message, int]]) -> None:
        """Hide each message in the queue for the given number of seconds, until its retry.

        If SQS does not hide a message, it is delivered again after the queue's own visibility time-out.
        """
        for start in range(0, len(back), _ENTRIES):
            entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
                {
                    "Id": str(number),
                    "ReceiptHandle": message.receipt_handle,
                    "VisibilityTimeout": seconds,
                }
                for number, (message, seconds) in enumerate(back[start : start + _ENTRIES])
            ]
            try:
                answer = self.sqs.change_message_visibility_batch(QueueUrl=self.queue_url, Entries=entries)
            except AwsError as error:
                log.warning(_NOT_HIDDEN, len(entries), error)
            else:
                if codes := [failed["Code"] for failed in answer.get("Failed", [])]:
                    log.warning(_NOT_HIDDEN, len(codes), ", ".join(sorted(set(codes))))
