"""Outcome events: the decisions about certificates, published to other systems over Amazon EventBridge.

`stacks/iot_jitr/schemas/outcome-event-1.json` is the JSON schema of an event's `detail`. An event is composed
once, when its outcome is recorded, and does not change if it is published several times.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
"""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iot_jitr_runtime.dynamodb import Update

SOURCE = "iot-jitr"
"""The `source` of every event."""
SCHEMA_VERSION = "1"
"""Version of `detail`. A new field does not change the version; a changed or removed field does."""

OWED_EVENTS = "owedEvents"
"""Attribute of the ledger's row: the set of its unpublished events, each the JSON of its `detail`."""
OWED_INDEX = "owed-events"
"""Global secondary index of the rows with unpublished events, keys only: `OWED_SHARD`, `OWED_SINCE`."""
OWED_SHARD = "owedShard"
"""The first digit of the certificate's id: one partition of an index accepts 1,000 writes a second."""
OWED_SINCE = "owedSince"
"""When the last of them was recorded, in milliseconds since the epoch."""
LAST_EVENT = "lastEvent"
"""The certificate's last event, see `OutcomeEvent.marker`."""


class EventType(StrEnum):
    """What has happened; the value is the event's `detail-type`, a stable interface."""

    ACTIVATED = "Certificate Activated"
    """This pipeline made the certificate ACTIVE."""
    REFUSED = "Certificate Refused"
    """A check failed. A refusal that repeats the last one of the certificate causes no further event."""
    REVOKED = "Certificate Revoked"
    """The sweep made it REVOKED, because its CA's CRL lists it."""
    SUSPENDED = "Certificate Suspended"
    """The sweep made it INACTIVE, because its CA's CRL has it on hold."""
    RELEASED = "Certificate Released"
    """The hold is over: the sweep made it ACTIVE again."""
    WAITING_TOO_LONG = "Certificate Waiting Too Long"
    """It is pending, and not just for its slot of the rate limiter. One event in each wait."""

    @property
    def outcome(self) -> str:
        """The `outcome` in the event's detail, for example `activated` or `waiting_too_long`."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class OutcomeEvent:
    """One event."""

    type: EventType
    detail: str
    """The event's `detail`, as JSON."""

    @classmethod
    def read(cls, detail: str) -> "OutcomeEvent":
        """Read an event that the ledger holds."""
        return cls(EventType[json.loads(detail)["outcome"].upper()], detail)

    @property
    def marker(self) -> str:
        """Equal for an event that repeats the last one: the outcome, and the reason of a refusal."""
        reason = json.loads(self.detail).get("reason") if self.type is EventType.REFUSED else None
        return f"{self.type.outcome}:{reason}" if reason else self.type.outcome

    def added_to(self, update: "Update") -> "Update":
        """Return the update of a row with this event added. Repeating the update changes nothing."""
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
