"""The outbox: outcome events that stay in the ledger's rows until EventBridge has accepted them.

The write that records an outcome adds its event to the row, and the row to the sparse index `owed-events`;
publishing removes both again. So no event is lost after its outcome is written. The reconciler publishes
later what was not published for any reason: each event is published at least once.

Publishing never delays an outcome: it happens after all outcomes of a batch, its errors do not propagate, and
a worker whose call has failed publishes nothing for a minute.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, Key
from botocore.config import Config

from iot_jitr_runtime.aws_errors import CLIENT_CONFIG, AwsError
from iot_jitr_runtime.deadline import Deadline
from iot_jitr_runtime.dynamodb import ConditionFailedError, Table, Update, still
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger.rows import Row, milliseconds
from iot_jitr_runtime.outcome_events import (
    LAST_EVENT,
    OWED_EVENTS,
    OWED_INDEX,
    OWED_SHARD,
    OWED_SINCE,
    SCHEMA_VERSION,
    SOURCE,
    EventType,
)

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

EVENTS_CONFIG = CLIENT_CONFIG.merge(
    Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})
)
"""Two attempts of at most 3 s each."""
TIME_TO_PUBLISH = timedelta(seconds=8)
"""A call begins only if this much time remains."""
PAUSE = timedelta(minutes=1)
"""How long a worker publishes nothing after a call that failed."""
IN_FLIGHT = timedelta(minutes=2)
"""The reconciler leaves out younger events: the worker that recorded them publishes them."""
ENTRIES = 10
"""The maximum number of entries in one PutEvents call."""
_PAGE = 100
_SHARDS = "0123456789abcdef"

Owed = tuple[CertificateId, str]
"""A certificate and one event that its row has."""
_WITH_REASON = {EventType.REFUSED, EventType.WAITING_TOO_LONG}
_ATTRIBUTES = ("caCertificateId", "serialNumber", "commonName", "thingName", "policyName")
"""Attributes of the ledger's row that an event has under the same names, where they are known."""


@dataclass(frozen=True)
class OutcomeEvent:
    """One event. It is composed once, and does not change if it is published several times."""

    detail: str
    """The event's `detail`, as JSON."""

    @property
    def marker(self) -> str:
        """Equal for an event that repeats the last one: the outcome, and the reason of a refusal."""
        outcome: str = self._values["outcome"]
        return f"{outcome}:{self._values['reason']}" if outcome == EventType.REFUSED.outcome else outcome

    def added_to(self, update: Update) -> Update:
        """Return the update of a row with this event added. Repeating the update changes nothing."""
        owed = {
            OWED_SHARD: update.key[0],
            OWED_SINCE: milliseconds(self._decided_at),
            LAST_EVENT: self.marker,
        }
        adds = {**update.adds, OWED_EVENTS: {self.detail}}
        return replace(update, sets={**update.sets, **owed}, adds=adds)

    def entry(self, bus: str) -> dict[str, Any]:
        """Return the entry of a PutEvents call.

        https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html
        """
        return {
            "EventBusName": bus,
            "Source": SOURCE,
            "DetailType": EventType[self._values["outcome"].upper()].value,
            "Detail": self.detail,
            "Time": self._decided_at,
        }

    @cached_property
    def _values(self) -> dict[str, Any]:
        values: dict[str, Any] = json.loads(self.detail)
        return values

    @property
    def _decided_at(self) -> datetime:
        return datetime.fromisoformat(self._values["decidedAt"])


@dataclass
class Outbox:
    """The owed events in the ledger's table, and the event bus that receives them."""

    items: Table
    events: "EventBridgeClient"
    bus: str
    """ARN of the event bus."""
    pipeline: str
    """The pipeline's name, the value of the metrics' dimension `service`."""
    report: Callable[[int, str], None]
    """Called with the number of events that were not published, and the reason."""
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    _recorded: dict[Owed, None] = field(default_factory=dict)
    _paused_until: datetime = field(default=datetime.min.replace(tzinfo=UTC))

    def compose(self, event_type: EventType, row: Row) -> OutcomeEvent | None:
        """Return the event of an outcome; None for a refusal that repeats the certificate's last event.

        Args:
            event_type: What has happened.
            row: The row as it is written.
        """
        event = compose_event(event_type, self.pipeline, row)
        repeats = event_type is EventType.REFUSED and event.marker == row.last_event
        return None if repeats else event

    def recorded(self, certificate_id: CertificateId, event: OutcomeEvent) -> None:
        """Note for `publish_recorded` that a row has an event now."""
        self._recorded[certificate_id, event.detail] = None

    def record_waiting(self, ca: CaCertificateId, row: Row, *, since: datetime) -> None:
        """Record that a certificate waits too long, once for each wait; botocore's errors propagate.

        Args:
            ca: Its CA.
            row: Its row; an empty one if there is none.
            since: When it was registered.
        """
        if row.last_event == EventType.WAITING_TOO_LONG.outcome:
            return
        waiting = replace(
            row,
            ca_certificate_id=ca,
            first_seen_at=milliseconds(since),
            decided_at=milliseconds(self.clock()),
        )
        event = compose_event(EventType.WAITING_TOO_LONG, self.pipeline, waiting)
        as_read = still(LAST_EVENT, row.last_event) & still("state", row.state)
        try:
            self.items.update(event.added_to(Update(row.certificate_id, condition=as_read)))
        except ConditionFailedError:
            return  # decided meanwhile
        self.recorded(row.certificate_id, event)

    def publish_recorded(self, stops_at: datetime) -> None:
        """Publish what was recorded since the last call, while time remains. AWS's errors do not propagate.

        Args:
            stops_at: The time at which the function must stop.
        """
        recorded, self._recorded = list(self._recorded), {}
        try:
            self._publish(recorded, Deadline(stops_at, self.clock))
        except AwsError as error:
            self.report(len(recorded), f"the ledger still has events that are published: {error}")

    def publish_owed(self, deadline: Deadline) -> int:
        """Publish other workers' owed events, in each shard the oldest first; return their number.

        Errors of the ledger propagate.
        """
        published = 0
        for shard in _SHARDS:
            for page in self._owed(shard):
                owed = [
                    (CertificateId(item[self.items.key_attribute]), event)
                    for item in self.items.get_many(page)
                    for event in sorted(item.get(OWED_EVENTS, ()))
                ]
                published += self._publish(owed, deadline)
                if not self._may_publish(deadline):
                    return published
        return published

    def _may_publish(self, deadline: Deadline) -> bool:
        return self.clock() >= self._paused_until and deadline.allows(TIME_TO_PUBLISH)

    def _publish(self, owed: Sequence[Owed], deadline: Deadline) -> int:
        """Publish these events, remove the marks of rows without another event; return the number."""
        taken: set[Owed] = set()
        for start in range(0, len(owed), ENTRIES):
            if not self._may_publish(deadline):
                break
            taken |= self._put(owed[start : start + ENTRIES])
        events_of: dict[CertificateId, set[str]] = {}
        for certificate_id, event in owed:
            events_of.setdefault(certificate_id, set()).add(event)
        for certificate_id, events in events_of.items():
            if all((certificate_id, event) in taken for event in events):
                self._remove_marks(certificate_id, events)
        return len(taken)

    def _put(self, owed: Sequence[Owed]) -> set[Owed]:
        """Call PutEvents once; return what the bus accepted."""
        entries: Any = [OutcomeEvent(event).entry(self.bus) for _, event in owed]
        try:
            response = self.events.put_events(Entries=entries)
        except AwsError as error:
            self._paused_until = self.clock() + PAUSE
            self.report(len(owed), str(error))
            return set()
        results = response["Entries"]
        codes = [result.get("ErrorCode") for result in results]
        taken = {each for each, code in zip(owed, codes, strict=True) if not code}
        if response["FailedEntryCount"]:
            named = ", ".join(sorted({code for code in codes if code}))
            self.report(len(owed) - len(taken), f"the event bus did not accept them: {named}")
        return taken

    def _remove_marks(self, certificate_id: CertificateId, events: set[str]) -> None:
        """Remove the marks of a row. If it has other events too, the reconciler publishes all of them."""
        published = Attr(OWED_EVENTS).eq(events)
        marks = dict.fromkeys((OWED_EVENTS, OWED_SHARD, OWED_SINCE))
        with suppress(ConditionFailedError):
            self.items.update(Update(certificate_id, marks, condition=published))

    def _owed(self, shard: str) -> Iterator[list[str]]:
        before = milliseconds(self.clock() - IN_FLIGHT)
        due = Key(OWED_SHARD).eq(shard) & Key(OWED_SINCE).lte(before)
        return self.items.query_keys(OWED_INDEX, due, page_size=_PAGE)


def compose_event(event_type: EventType, pipeline: str, row: Row) -> OutcomeEvent:
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
    return OutcomeEvent(json.dumps(known, separators=(",", ":")))


def _id(certificate_id: CertificateId, outcome: str, reason: str | None, decided_at: int) -> str:
    decision = "\n".join([certificate_id, outcome, reason or "", str(decided_at)])
    return hashlib.sha256(decision.encode()).hexdigest()


def _iso(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
