"""Registration events as the activation queue delivers them.

The event is a hint: only its `certificateId` is used, everything else is read again from AWS IoT. Its send
time is the queue's timestamp, not the event's, so a forged time or a device's clock has no effect.
https://docs.aws.amazon.com/iot/latest/developerguide/auto-register-device-cert.html
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iot_jitr_runtime.identifiers import ID_FORMAT, CertificateId
from iot_jitr_runtime.outcomes import PermanentError, Reason

TOPIC_PREFIX = "$aws/events/certificates/registered/"
"""Prefix of the topic of a registration event; the CA certificate's id follows."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the activation queue, as the event source mapping passes it to the function."""

    message_id: str
    receipt_handle: str
    body: str
    sent_at: int
    """When the queue received it, in milliseconds since the epoch."""
    receive_count: int
    """How often it has been delivered, this time included."""

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Message":
        """Read one record of a Lambda SQS event."""
        attributes = record["attributes"]
        return cls(
            message_id=record["messageId"],
            receipt_handle=record["receiptHandle"],
            body=record["body"],
            sent_at=int(attributes["SentTimestamp"]),
            receive_count=int(attributes["ApproximateReceiveCount"]),
        )


def certificate_id(body: str) -> CertificateId:
    """Return the one field of a registration event that is used.

    All other fields are ignored, with any content: AWS adds fields and writes some as strings or null.

    Raises:
        PermanentError: `MALFORMED_EVENT`, with what was found.
    """
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise PermanentError(Reason.MALFORMED_EVENT, f"the message is not JSON: {body[:80]!r}") from None
    if not isinstance(event, dict):
        raise PermanentError(
            Reason.MALFORMED_EVENT, f"the message is a JSON {type(event).__name__}, not an object"
        )
    found = event.get("certificateId")
    if not isinstance(found, str) or not ID_FORMAT.fullmatch(found):
        raise PermanentError(
            Reason.MALFORMED_EVENT,
            f"certificateId is {str(found)[:80]!r}, not 64 lower-case hexadecimal digits",
        )
    return CertificateId(found)
