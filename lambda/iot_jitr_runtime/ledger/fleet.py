"""The fleet of a CA: how many of its certificates are ACTIVE, counted with the rows in one transaction.

A certificate counts from its activation, or from the moment the ledger learns of it as ACTIVE, until this
pipeline revokes, suspends or retires it. Its row says whether it counts (`inFleet`), so no repetition counts
it twice. If somebody else deactivates it, or activates it again, the reconciler's next full pass or the sweep
corrects that; one that is deleted counts until the sweep reads it. The counter is spread over several items,
because a transaction fails if another one writes the same item at that moment.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger.batch_get import read_items
from iot_jitr_runtime.ledger.rows import KEY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

IN_FLEET = "inFleet"
SHARDS = 16
_COUNT = "devices"
_TRIES = 5
_LONGEST_PAUSE_SECONDS = 0.2


class RowConditionError(Exception):
    """The row did not meet the condition of its part of a transaction. Never leaves this package."""


@dataclass(frozen=True)
class Fleet:
    """The counters in the ledger's table."""

    dynamodb: "DynamoDBClient"
    table: str

    def size(self, ca: CaCertificateId) -> int:
        """Return how many devices of a CA are in service.

        Raises:
            DeferredError: `THROTTLED`: some of the counters could not be read.
        """
        keys = [_counter(ca, shard) for shard in range(SHARDS)]
        return sum(int(item[_COUNT]["N"]) for item in read_items(self.dynamodb, self.table, keys))

    def write(
        self, row_update: dict[str, Any], ca: CaCertificateId, certificate_id: CertificateId, *, by: int
    ) -> None:
        """Update a row and count `by` devices more, both or neither.

        Raises:
            RowConditionError: The row does not meet the update's condition.
            ClientError: DynamoDB refused, or too many others wrote the same items.
        """
        count = {
            "TableName": self.table,
            "Key": {KEY: {"S": _counter(ca, int(certificate_id[:8], 16) % SHARDS)}},
            "UpdateExpression": f"ADD {_COUNT} :by",
            "ExpressionAttributeValues": {":by": {"N": str(by)}},
        }
        self._transact([{"Update": row_update}, {"Update": count}])

    def correct(self, certificate_id: CertificateId, *, active: bool) -> None:
        """Count a certificate of the ledger if it is ACTIVE, and do not count it if it is not.

        Args:
            certificate_id: The certificate.
            active: Whether AWS IoT says that it is ACTIVE.
        """
        key = {KEY: {"S": certificate_id}}
        row = self.dynamodb.get_item(TableName=self.table, Key=key, ConsistentRead=True).get("Item", {})
        if (IN_FLEET in row) is active or "caCertificateId" not in row:
            return
        update: dict[str, Any] = {"TableName": self.table, "Key": key}
        if active:
            update["UpdateExpression"] = f"SET {IN_FLEET} = :yes"
            update["ConditionExpression"] = f"attribute_not_exists({IN_FLEET})"
            update["ExpressionAttributeValues"] = {":yes": {"BOOL": True}}
        else:
            update["UpdateExpression"] = f"REMOVE {IN_FLEET}"
            update["ConditionExpression"] = f"attribute_exists({IN_FLEET})"
        ca = CaCertificateId(row["caCertificateId"]["S"])
        try:
            self.write(update, ca, certificate_id, by=1 if active else -1)
        except RowConditionError:
            # Another worker has just done so.
            return

    def _transact(self, items: Sequence[Any]) -> None:
        for left in reversed(range(_TRIES)):
            try:
                self.dynamodb.transact_write_items(TransactItems=items)
            except self.dynamodb.exceptions.TransactionCanceledException as error:
                reasons = [each.get("Code") for each in error.response.get("CancellationReasons", [])]
                if reasons[:1] == ["ConditionalCheckFailed"]:
                    raise RowConditionError from error
                if "TransactionConflict" not in reasons or not left:
                    raise
                time.sleep(random.uniform(0, _LONGEST_PAUSE_SECONDS))  # noqa: S311 - jitter, not a secret
            else:
                return


def _counter(ca: CaCertificateId, shard: int) -> str:
    # No certificate id begins like this.
    return f"#fleet#{ca}#{shard}"
