"""Outcome events: the decisions about certificates, published to other systems over Amazon EventBridge.

This module has their names; `ledger.outbox` composes and publishes them.
`stacks/iot_jitr/schemas/outcome-event-1.json` is the JSON schema of an event's `detail`.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
"""

from enum import StrEnum

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
