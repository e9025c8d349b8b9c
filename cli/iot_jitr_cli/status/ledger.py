"""Reads the rows of the ledger page by page, and counts them by state, CA, group and cause.

The cause of a device that is not active is the last record in the ledger: later changes take effect at the
device's next connect. `jitr doctor --certificate-id` checks one device completely.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from iot_jitr_cli.doctor.causes import FIXES, Cause, cause_of
from iot_jitr_cli.doctor.pipeline import Pipeline
from iot_jitr_cli.doctor.reading import aws_call
from iot_jitr_runtime.dynamodb import plain
from iot_jitr_runtime.ledger import KEY, Row, State
from iot_jitr_runtime.ledger.fleet import IN_FLEET
from iot_jitr_runtime.stack_outputs import Output

_PAGE = 1000
_ATTRIBUTES = (
    KEY,
    IN_FLEET,
    "state",
    "reason",
    "caCertificateId",
    "serialNumber",
    "commonName",
    "firstSeenAt",
    "decidedAt",
)
_OURS = "#"
"""Prefix of the keys of items that are not certificates: counters, leases, cursors."""


class Group(StrEnum):
    """The state of a device, by the row of its certificate."""

    heading: str
    meaning: str

    def __new__(cls, value: str, heading: str, meaning: str) -> Self:
        """Make the group `value`, with its heading and its meaning in words."""
        group = str.__new__(cls, value)
        group._value_, group.heading, group.meaning = value, heading, meaning
        return group

    IN_SERVICE = "in_service", "In service", "Their certificates are ACTIVE."
    WAITING = "waiting", "Waiting", "Not decided yet, or being activated."
    REFUSED = "refused", "Refused", "A check failed."
    REVOKED = (
        "revoked",
        "Revoked",
        "They were in service: revoked, on hold, or replaced by a newer certificate.",
    )
    OTHER = "other", "Other", "Not ACTIVE, and not because of this pipeline."


_GROUPS: Mapping[State | None, Group] = {
    State.ACTIVATING: Group.WAITING,
    State.DEFERRED: Group.WAITING,
    State.REFUSED: Group.REFUSED,
    State.SUSPENDED: Group.REVOKED,
    State.REVOKED: Group.REVOKED,
    State.RETIRED: Group.REVOKED,
}
WITH_CAUSE = frozenset({Group.WAITING, Group.REFUSED})
"""Groups whose devices have a cause for not being active."""


def group_of(row: Row) -> Group:
    """The group of a certificate."""
    return Group.IN_SERVICE if row.in_fleet else _GROUPS.get(row.state, Group.OTHER)


@dataclass(frozen=True)
class Example:
    """One device of a cluster: what was read of its row. Times are in milliseconds; 0: unknown."""

    certificate_id: str
    state: str
    reason: str | None
    ca_certificate_id: str | None
    serial_number: str | None
    common_name: str | None
    in_service: bool
    first_seen_at: int
    decided_at: int

    @classmethod
    def of(cls, row: Row) -> "Example":
        """The device of a row."""
        return cls(
            certificate_id=row.certificate_id,
            state=row.state or "unknown",
            reason=row.reason,
            ca_certificate_id=row.ca_certificate_id,
            serial_number=row.serial_number,
            common_name=row.common_name,
            in_service=row.in_fleet,
            first_seen_at=row.first_seen_at,
            decided_at=row.decided_at,
        )


@dataclass
class Cluster:
    """The devices that are not active because of the same cause."""

    cause: Cause
    certificates: int = 0
    """Number of devices; for `dead_lettered`, the number of messages in the dead-letter queue."""
    reasons: Counter[str] = field(default_factory=Counter)
    """The ledger's reason (or its state, if there is no reason) → number of certificates."""
    example: Example | None = None
    """The certificate with the latest decision; None if only messages are counted."""
    first_seen_at: int = 0
    """Earliest first connect of these devices, in milliseconds since the epoch; 0: unknown."""

    title: str = field(init=False)
    """The cause in one line."""
    fix: str = field(init=False)
    """The fix for the cause."""

    def __post_init__(self) -> None:
        """Describe the cause."""
        self.title, self.fix = self.cause.headline, FIXES[self.cause]

    def add(self, row: Row) -> None:
        """Count a certificate."""
        self.certificates += 1
        self.reasons[row.reason or row.state or "unknown"] += 1
        if self.example is None or row.decided_at > self.example.decided_at:
            self.example = Example.of(row)
        known = [time for time in (self.first_seen_at, row.first_seen_at) if time]
        self.first_seen_at = min(known, default=0)


@dataclass
class LedgerCounts:
    """The number of certificates in each state, among the rows that were read."""

    states: Counter[str] = field(default_factory=Counter)
    """State, with the reason if there is one → number of certificates."""
    rows: int = 0
    complete: bool = False
    """Whether all rows were read; else the limit was reached."""
    by_ca: dict[str, Counter[Group]] = field(default_factory=dict)
    """Id of a CA certificate (empty: unknown) → group → number of certificates."""
    clusters: list[Cluster] = field(default_factory=list)
    """Those that are waiting or refused, by cause, the largest first."""

    @property
    def certificates(self) -> int:
        """The number of certificates among the rows."""
        return self.states.total()

    def group(self, group: Group) -> int:
        """The number of certificates of all CAs in a group."""
        return sum(groups[group] for groups in self.by_ca.values())

    def add(self, row: Row) -> None:
        """Count a certificate."""
        group = group_of(row)
        reason = f": {row.reason}" if row.reason and row.state in {State.REFUSED, State.DEFERRED} else ""
        self.states[f"{row.state or 'unknown'}{reason}"] += 1
        self.by_ca.setdefault(row.ca_certificate_id or "", Counter())[group] += 1
        if group in WITH_CAUSE:
            cause = cause_of(row)
            cluster = next((each for each in self.clusters if each.cause is cause), None)
            if cluster is None:
                cluster = Cluster(cause)
                self.clusters.append(cluster)
            cluster.add(row)


def count(pipeline: Pipeline, limit: int, seen: Callable[[Row], object]) -> LedgerCounts:
    """Count the first `limit` rows. A read unit of DynamoDB covers 8 KB of them.

    Args:
        pipeline: The pipeline of the ledger.
        limit: Maximum number of rows to read.
        seen: Called with the row of each certificate.

    Raises:
        UndeterminedError: The ledger cannot be read.
    """
    dynamodb, counts = pipeline.session.client("dynamodb"), LedgerCounts()
    names = {f"#{number}": name for number, name in enumerate(_ATTRIBUTES)}
    request: dict[str, Any] = {
        "TableName": pipeline.output(Output.LEDGER_TABLE),
        "ProjectionExpression": ", ".join(names),
        "ExpressionAttributeNames": names,
    }
    while not counts.complete and counts.rows < limit:
        with aws_call("dynamodb:Scan"):
            page = dynamodb.scan(Limit=min(_PAGE, limit - counts.rows), **request)
        counts.rows += page["ScannedCount"]
        counts.complete = "LastEvaluatedKey" not in page
        request["ExclusiveStartKey"] = page.get("LastEvaluatedKey")
        for item in map(plain, page["Items"]):
            # A row without a state is only a lease, or is about a certificate that does not exist.
            if "state" in item and not item[KEY].startswith(_OURS):
                row = Row.read(item)
                counts.add(row)
                seen(row)
    counts.clusters.sort(key=lambda cluster: (-cluster.certificates, cluster.cause))
    return counts
