"""What the pipeline decided about the device: the ledger's row, a dead letter."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iot_jitr_cli.doctor.facts.fact import fact
from iot_jitr_cli.doctor.facts.pipeline import PipelineFacts
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import Ledger, Row
from iot_jitr_runtime.stack_outputs import Output

if TYPE_CHECKING:
    import boto3

_LOOKS = 20
"""Calls of `ReceiveMessage` at most, ten messages each."""


@dataclass(frozen=True)
class DeadLetter:
    """A message of the dead-letter queue that is about the device."""

    reason: str
    """Why the activator did not process it, or that the topic rule could not deliver it."""
    detail: str


class DecisionFacts:
    """Facts about the decision on one certificate."""

    def __init__(
        self, session: "boto3.Session", certificate_id: CertificateId, pipeline: PipelineFacts
    ) -> None:
        self._session = session
        self._certificate_id = certificate_id
        self._pipeline = pipeline

    @fact("dynamodb:GetItem")
    def row(self) -> Row | None:
        """The ledger's row, None where no event about the certificate reached the activator."""
        table = self._pipeline.output(Output.LEDGER_TABLE)
        return Ledger(self._session.client("dynamodb"), table).row(self._certificate_id)

    @fact("sqs:ReceiveMessage")
    def dead_letter(self) -> DeadLetter | None:
        """The newest message about the certificate among up to 200 of the dead-letter queue.

        With a visibility time-out of 0 seconds, the messages stay visible to other consumers; only their
        receive count increases, which has no effect in a queue without a dead-letter queue.
        """
        url = self._pipeline.output(Output.DEAD_LETTER_QUEUE_URL)
        sqs = self._session.client("sqs")
        seen: set[str] = set()
        found: DeadLetter | None = None
        for _ in range(_LOOKS):
            answer = sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=0,
                MessageAttributeNames=["All"],
            )
            messages = [m for m in answer.get("Messages", []) if m["MessageId"] not in seen]
            if not messages:
                break
            seen |= {message["MessageId"] for message in messages}
            about = (dead_letter_about(self._certificate_id, message) for message in messages)
            found = next((each for each in about if each), found)
        return found


def dead_letter_about(certificate_id: CertificateId, message: Any) -> DeadLetter | None:
    """Read a message of the dead-letter queue, None where it is about another certificate.

    It is an event that the activator moved there, with the reason in its attributes, or the report of a
    topic rule that could not deliver one
    (https://docs.aws.amazon.com/iot/latest/developerguide/rule-error-handling.html).
    """
    body = _json(message["Body"])
    if "base64OriginalPayload" in body:
        event = _json(_decoded(body["base64OriginalPayload"]))
        failures = [str(failure.get("errorMessage", "")) for failure in body.get("failures", [])]
        reason, detail = "not_delivered", f"rule {body.get('ruleName')}: {'; '.join(failures)}"
    else:
        event = body
        attributes = message.get("MessageAttributes", {})
        reason, detail = (attributes.get(name, {}).get("StringValue", "") for name in ("reason", "detail"))
    return DeadLetter(reason, detail) if event.get("certificateId") == certificate_id else None


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _decoded(text: object) -> str:
    try:
        return base64.b64decode(str(text)).decode(errors="replace")
    except binascii.Error:
        return ""
