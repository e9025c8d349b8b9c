"""Reads the rows of the ledger page by page, and counts them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from iot_jitr_cli.doctor.ledger_causes import cause_of
from iot_jitr_cli.doctor.pipeline import Pipeline
from iot_jitr_cli.doctor.reading import aws_call
from iot_jitr_cli.status.clusters import Cluster
from iot_jitr_cli.status.groups import WITH_CAUSE, Group, group_of
from iot_jitr_runtime.dynamodb import plain
from iot_jitr_runtime.ledger import KEY, Row, State
from iot_jitr_runtime.ledger.fleet import IN_FLEET
from iot_jitr_runtime.stack_outputs import Output

_PAGE = 1000
_ATTRIBUTES = (
    *(KEY, "state", "reason", "caCertificateId", "serialNumber", "commonName", IN_FLEET),
    *("firstSeenAt", "decidedAt"),
)
_OURS = "#"
"""Prefix of the keys of items that are not certificates: counters, leases, cursors."""


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
