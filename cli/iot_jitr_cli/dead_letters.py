"""The content of a message in the dead-letter queue: an event, and the reason why it was not processed."""

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

_WRAPPED = "base64OriginalPayload"


@dataclass(frozen=True)
class DeadLetter:
    """One message of the dead-letter queue.

    It is an event that the activator moved there, with the reason in the message's attributes, or the report
    of a topic rule that could not deliver an event
    (https://docs.aws.amazon.com/iot/latest/developerguide/rule-error-handling.html).
    """

    event: str
    """The event; the whole body if it contains no readable event."""
    reason: str
    """The reason why the activator did not process it; `not_delivered` for a topic rule; may be empty."""
    detail: str

    @classmethod
    def read(cls, message: "MessageTypeDef") -> "DeadLetter":
        """Read a message."""
        body = message["Body"]
        report = _object(body)
        if _WRAPPED not in report:
            attributes: Any = message.get("MessageAttributes", {})
            reason, detail = (
                attributes.get(name, {}).get("StringValue", "") for name in ("reason", "detail")
            )
            return cls(body, reason, detail)
        listed = report.get("failures")
        failures = [
            str(failure.get("errorMessage", ""))
            for failure in (listed if isinstance(listed, list) else [])
            if isinstance(failure, dict)
        ]
        try:
            event = base64.b64decode(report[_WRAPPED], validate=True).decode()
        except (ValueError, TypeError):
            event = body
        return cls(event, "not_delivered", f"rule {report.get('ruleName')}: {'; '.join(failures)}")

    @property
    def certificate_id(self) -> str | None:
        """Id of the event's certificate; None if the event has none."""
        found = _object(self.event).get("certificateId")
        return found if isinstance(found, str) else None


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
