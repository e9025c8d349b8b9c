"""The certificates of the ledger: read page by page, and counted while they are read."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iot_jitr_cli.deployment import Deployment
from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.ledger_causes import cause_of
from iot_jitr_cli.doctor.reading import aws_call
from iot_jitr_cli.status.clusters import Cluster, largest_first
from iot_jitr_cli.status.groups import WITH_CAUSE, Group, group_of
from iot_jitr_runtime.dynamodb import plain
from iot_jitr_runtime.ledger import KEY, Row, State
from iot_jitr_runtime.ledger.fleet import IN_FLEET
from iot_jitr_runtime.stack_outputs import Output

if TYPE_CHECKING:
    import boto3

_PAGE = 1000
_ATTRIBUTES = (
    *(KEY, "state", "reason", "caCertificateId", "serialNumber", "commonName", IN_FLEET),
    *("firstSeenAt", "decidedAt"),
)
_OURS = "#"
"""Begins the keys of the table's items that are no certificates: counters, leases, cursors."""


@dataclass(frozen=True)
class LedgerCounts:
    """How many certificates are in which state, among the rows that were read."""

    states: Mapping[str, int]
    """State, with the reason where there is one → certificates."""
    rows: int
    complete: bool
    """Whether these are all rows; else reading stopped at its limit."""
    by_ca: Mapping[str, Mapping[Group, int]]
    """Id of a CA certificate (empty: unknown) → group → certificates."""
    clusters: tuple[Cluster, ...]
    """Those that are waiting or refused, by cause, the largest first."""

    @property
    def certificates(self) -> int:
        """How many certificates are among the rows."""
        return sum(self.states.values())

    def group(self, group: Group) -> int:
        """How many certificates of all CAs are in a group."""
        return sum(groups.get(group, 0) for groups in self.by_ca.values())


def count(
    session: "boto3.Session",
    deployment: Deployment,
    limit: int,
    seen: Callable[[Row], object] = lambda _: None,
) -> LedgerCounts:
    """Count the first `limit` rows. A read unit of DynamoDB covers 8 KB of them.

    Args:
        session: The caller's AWS.
        deployment: Whose ledger.
        limit: How many rows to read at most.
        seen: Called with each row.

    Raises:
        CannotTellError: The ledger cannot be read.
    """
    states: Counter[str] = Counter()
    by_ca: dict[str, Counter[Group]] = {}
    clusters: dict[Cause, Cluster] = {}
    scan = _Scan(session, deployment[Output.LEDGER_TABLE], limit)
    for each in scan:
        group = group_of(each)
        states[_described(each)] += 1
        by_ca.setdefault(each.ca_certificate_id or "", Counter())[group] += 1
        if group in WITH_CAUSE:
            cause = cause_of(each)
            clusters.setdefault(cause, Cluster(cause)).add(each)
        seen(each)
    return LedgerCounts(
        dict(states.most_common()),
        scan.rows,
        complete=scan.complete,
        by_ca={ca: dict(groups) for ca, groups in by_ca.items()},
        clusters=largest_first(clusters.values()),
    )


def _described(row: Row) -> str:
    reason = f": {row.reason}" if row.reason and row.state in {State.REFUSED, State.DEFERRED} else ""
    return f"{row.state or 'unknown'}{reason}"


@dataclass
class _Scan:
    """The certificates of a ledger table, a page at a time."""

    session: "boto3.Session"
    table: str
    limit: int
    rows: int = 0
    complete: bool = False

    def __iter__(self) -> Iterator[Row]:
        dynamodb = self.session.client("dynamodb")
        names = {f"#{number}": name for number, name in enumerate(_ATTRIBUTES)}
        start: dict[str, Any] = {}
        while not self.complete and self.rows < self.limit:
            with aws_call("dynamodb:Scan"):
                page: Any = dynamodb.scan(
                    TableName=self.table,
                    ProjectionExpression=", ".join(names),
                    ExpressionAttributeNames=names,
                    Limit=min(_PAGE, self.limit - self.rows),
                    **start,
                )
            self.rows += page["ScannedCount"]
            self.complete = "LastEvaluatedKey" not in page
            start = {"ExclusiveStartKey": page.get("LastEvaluatedKey")}
            for item in page["Items"]:
                # A row without a state is a lease only, or about a certificate that does not exist.
                if "state" in item and not item[KEY]["S"].startswith(_OURS):
                    yield Row.read(plain(item))
