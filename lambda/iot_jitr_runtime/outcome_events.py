"""Outcome events: what other systems are told about a certificate, over Amazon EventBridge.

`stacks/iot_jitr/schemas/outcome-event-1.json` is the JSON schema of an event's `detail`. An event is composed
once, when its outcome is recorded, and stays the same however often it is published.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
"""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from iot_jitr_runtime.identifiers import CertificateId

if TYPE_CHECKING:
    from iot_jitr_runtime.dynamodb import Update
    from iot_jitr_runtime.ledger.rows import Row

SOURCE = "iot-jitr"
"""The `source` of every event."""
SCHEMA_VERSION = "1"
"""Of `detail`. Fields are added under the same version; a field that changes or goes makes a new one."""

OWED_EVENTS = "owedEvents"
"""Attribute of the ledger's row: the set of the events that it owes, each the JSON of its `detail`."""
OWED_INDEX = "owed-events"
"""Global secondary index of the rows that owe events, keys only: `OWED_SHARD`, `OWED_SINCE`."""
OWED_SHARD = "owedShard"
"""The first digit of the certificate's id: one partition of an index takes 1,000 writes a second."""
OWED_SINCE = "owedSince"
"""When the last of them was recorded, in milliseconds since the epoch."""
LAST_EVENT = "lastEvent"
"""What the certificate's last event has told, see `OutcomeEvent.marker`."""


class EventType(StrEnum):
    """What has happened; the value is the event's `detail-type`, a stable interface."""

    ACTIVATED = "Certificate Activated"
    """The certificate is ACTIVE by this pipeline."""
    REFUSED = "Certificate Refused"
    """A check failed. A refusal that repeats the last one of the certificate causes no further event."""
    REVOKED = "Certificate Revoked"
    """The sweep made it REVOKED, because its CA's CRL lists it."""
    SUSPENDED = "Certificate Suspended"
    """The sweep made it INACTIVE, because its CA's CRL has it on hold."""
    RELEASED = "Certificate Released"
    """The hold is over: the sweep made it ACTIVE again."""
    WAITING_TOO_LONG = "Certificate Waiting Too Long"
    """It is pending, and not just for its slot of the rate limiter. Told once in each wait."""

    @property
    def outcome(self) -> str:
        """The `outcome` in the event's detail, for example `activated` or `waiting_too_long`."""
        return self.name.lower()


_WITH_REASON = {EventType.REFUSED, EventType.WAITING_TOO_LONG}
_ATTRIBUTES = ("caCertificateId", "serialNumber", "commonName", "thingName", "policyName")
"""Attributes of the ledger's row that an event has under the same names, where they are known."""


@dataclass(frozen=True, slots=True)
class OutcomeEvent:
    """One event."""

    type: EventType
    detail: str
    """The event's `detail`, as JSON."""

    @classmethod
    def compose(cls, event_type: EventType, pipeline: str, row: "Row") -> "OutcomeEvent":
        """Return the event of a decision.

        Args:
            event_type: What has happened.
            pipeline: The pipeline's name, the value of the metrics' dimension `service`.
            row: The certificate's row in the ledger as it is written.
        """
        reason = row.reason if event_type in _WITH_REASON else None
        attributes = row.attributes()
        detail: dict[str, Any] = {
            "schemaVersion": SCHEMA_VERSION,
            "id": _id(row.certificate_id, event_type.outcome, reason, row.decided_at),
            "pipeline": pipeline,
            "outcome": event_type.outcome,
            "certificateId": row.certificate_id,
            "reason": reason,
            **{name: attributes.get(name) for name in _ATTRIBUTES},
            "revocationReason": row.detail if event_type is EventType.REVOKED else None,
            "firstSeenAt": _iso(row.first_seen_at) if row.first_seen_at else None,
            "decidedAt": _iso(row.decided_at),
        }
        known = {name: value for name, value in detail.items() if value is not None}
        return cls(event_type, json.dumps(known, separators=(",", ":")))

    @classmethod
    def read(cls, detail: str) -> "OutcomeEvent":
        """Read an event that the ledger holds."""
        return cls(EventType[json.loads(detail)["outcome"].upper()], detail)

    @property
    def marker(self) -> str:
        """What tells whether an event repeats the last one: the outcome, and the reason of a refusal."""
        reason = json.loads(self.detail).get("reason") if self.type is EventType.REFUSED else None
        return f"{self.type.outcome}:{reason}" if reason else self.type.outcome

    def owed_by(self, update: "Update") -> "Update":
        """Return the update of a row with the marks that it owes this event. To repeat it changes nothing."""
        return replace(
            update,
            sets={
                **update.sets,
                OWED_SHARD: update.key[0],
                OWED_SINCE: int(self._decided_at.timestamp() * 1000),
                LAST_EVENT: self.marker,
            },
            adds={**update.adds, OWED_EVENTS: {self.detail}},
        )

    @property
    def _decided_at(self) -> datetime:
        return datetime.fromisoformat(json.loads(self.detail)["decidedAt"])

    def entry(self, bus: str) -> dict[str, Any]:
        """Return the entry of a PutEvents call.

        https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html
        """
        return {
            "EventBusName": bus,
            "Source": SOURCE,
            "DetailType": self.type.value,
            "Detail": self.detail,
            "Time": self._decided_at,
        }


def _id(certificate_id: CertificateId, outcome: str, reason: str | None, decided_at: int) -> str:
    decision = "\n".join([certificate_id, outcome, reason or "", str(decided_at)])
    return hashlib.sha256(decision.encode()).hexdigest()


def _iso(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
