"""One batch of the activation queue: drop what is decided, decide the rest, end every message in one way.

A message ends acknowledged (activated, stale, refused), in the dead-letter queue (hopeless), or back in the
activation queue with a growing visibility time-out (deferred). One bad message never touches the others.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from iot_jitr_runtime.activator.activation import Activation, Decision
from iot_jitr_runtime.aws_errors import AwsError, deferral
from iot_jitr_runtime.events import Message, certificate_id
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import Ledger, Row
from iot_jitr_runtime.outcomes import DecisionError, HopelessError, Outcome, Reason, Verdict
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
    """Decides about the messages of one invocation, oldest first."""

    activation: Activation
    ledger: Ledger
    rate_limiter: RateLimiter
    sqs: "SQSClient"
    queue_url: str
    dead_letter_queue_url: str
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

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
            stopped_by: When this function is stopped for sure.
            on_decision: Told each decision as it falls, for logs and metrics.
        """
        # The device that has waited longest comes first, whatever the order in which SQS delivers.
        messages = sorted(map(Message.from_record, records), key=lambda message: message.sent_at)
        failures = []
        for decided in self._decisions(messages, stopped_by):
            ended = [(message, self._end(message, decision)) for message, decision in decided]
            back = [
                (message, decision)
                for message, decision in ended
                if decision.verdict.outcome is Outcome.DEFERRED and not decision.drop_message
            ]
            self._put_back(back)
            failures += [{"itemIdentifier": message.message_id} for message, _ in back]
            for message, decision in ended:
                on_decision(replace(decision, message_id=message.message_id))
        return {"batchItemFailures": failures}

    def _decisions(self, messages: list[Message], stopped_by: datetime) -> Iterator[Decided]:
        """All that need no examination in one piece, then one examination after the other."""
        named: list[tuple[Message, CertificateId]] = []
        decided: Decided = []
        for message in messages:
            try:
                named.append((message, certificate_id(message.body)))
            except HopelessError as hopeless:
                decided.append((message, Decision(hopeless.verdict)))
        rows, unread = self._rows(named)
        arrivals: list[Arrival] = []
        begun: set[CertificateId] = set()
        for message, certificate in named:
            row = rows.get(certificate) or Row(certificate)
            if unread is not None:
                verdict = unread
            elif row.makes_stale(message.sent_at, message.message_id):
                verdict = Verdict.because(Reason.ALREADY_DECIDED, f"{row.state}")
            elif certificate in begun:
                verdict = Verdict.because(Reason.DUPLICATE)
            else:
                begun.add(certificate)
                arrivals.append(Arrival(message, row))
                continue
            decided.append((message, Decision.unrecorded(message, certificate, verdict)))
        assigned = assign_slots(self.rate_limiter, self.ledger, arrivals)
        due: list[tuple[Arrival, int]] = []
        for arrival in arrivals:
            slot = assigned[arrival.message.message_id]
            if isinstance(slot, Later):
                decided.append((arrival.message, _later(arrival, slot)))
            else:
                due.append((arrival, slot))
        # If the function crashes during a validation, the waiting messages keep their slots.
        yield decided
        for arrival, slot in due:
            self.rate_limiter.wait_until(slot)
            yield [(arrival.message, self._examine(arrival, stopped_by))]

    def _examine(self, arrival: Arrival, stopped_by: datetime) -> Decision:
        message, certificate = arrival.message, arrival.row.certificate_id
        if self.clock() + self.activation.time_for_one > stopped_by:
            return Decision.unrecorded(message, certificate, Verdict.because(Reason.OUT_OF_TIME))
        return self._decide(message, certificate, stopped_by)

    def _rows(
        self, named: list[tuple[Message, CertificateId]]
    ) -> tuple[dict[CertificateId, Row], Verdict | None]:
        try:
            return self.ledger.rows(certificate for _, certificate in named), None
        except DecisionError as decided:
            return {}, decided.verdict
        except AwsError as error:
            return {}, deferral(error).verdict

    def _decide(self, message: Message, certificate: CertificateId, stopped_by: datetime) -> Decision:
        try:
            return self.activation.decide(message, certificate, stopped_by=stopped_by)
        except Exception as defect:  # noqa: BLE001 - one bad message must not fail the others
            verdict = Verdict.because(Reason.INTERNAL_ERROR, f"{type(defect).__name__}: {defect}")
            return replace(Decision.unrecorded(message, certificate, verdict), defect=defect)

    def _end(self, message: Message, decision: Decision) -> Decision:
        if decision.verdict.outcome is Outcome.DEAD_LETTERED:
            try:
                self._dead_letter(message, decision.verdict)
            except AwsError as error:
                decision = Decision.unrecorded(message, decision.certificate_id, deferral(error).verdict)
        return decision

    def _dead_letter(self, message: Message, verdict: Verdict) -> None:
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

    def _put_back(self, back: Decided) -> None:
        for start in range(0, len(back), _ENTRIES):
            entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
                {
                    "Id": str(number),
                    "ReceiptHandle": message.receipt_handle,
                    "VisibilityTimeout": decision.retry_in,
                }
                for number, (message, decision) in enumerate(back[start : start + _ENTRIES])
            ]
            # What SQS does not take comes back all the same, after the queue's own visibility time-out.
            try:
                answer = self.sqs.change_message_visibility_batch(QueueUrl=self.queue_url, Entries=entries)
            except AwsError as error:
                log.warning(_NOT_HIDDEN, len(entries), error)
            else:
                if codes := [failed["Code"] for failed in answer.get("Failed", [])]:
                    log.warning(_NOT_HIDDEN, len(codes), ", ".join(sorted(set(codes))))


def _later(arrival: Arrival, later: Later) -> Decision:
    decision = Decision.unrecorded(arrival.message, arrival.row.certificate_id, later.verdict)
    if later.retry_in is None:
        return decision
    return replace(decision, retry_in=later.retry_in, drop_message=later.drop_message)
