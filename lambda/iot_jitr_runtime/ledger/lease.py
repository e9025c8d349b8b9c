"""Leases: exclusive use of one item of the ledger's table until it is released or expires.

Whatever the holder writes into the item is conditional on the lease's token, so a holder whose lease has
expired, and that another worker has acquired since, changes nothing any more.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.ledger.rows import KEY, TTL_ATTRIBUTE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_UNUSED_SECONDS = 86_400


class LeaseTakenError(JitrError):
    """Another worker holds the lease."""


class LeaseLostError(JitrError):
    """The lease has expired and another worker holds it: this one must stop."""


@dataclass(frozen=True)
class Leases:
    """The leases in the ledger's table; botocore's errors propagate."""

    dynamodb: "DynamoDBClient"
    table: str

    def acquire(self, key: str, *, now: int, expires_at: int, holder: str | None = None) -> "Lease":
        """Acquire the lease on an item, which is created if it is missing.

        Args:
            key: The item's key; it begins with `#`, as no certificate's does.
            now: This moment, in milliseconds since the epoch.
            expires_at: A moment after the one at which the caller is stopped for certain.
            holder: Only for items that hold nothing but the lease: on whose behalf it is acquired. An earlier
                lease of the same holder does not stand in the way. The item expires a day later.

        Raises:
            LeaseTakenError: Another worker holds it.
        """
        token = secrets.token_hex(8)
        update = "SET leaseToken = :token, leaseExpiresAt = :expires"
        # The token is ours already where botocore repeats a call whose answer was lost.
        condition = "attribute_not_exists(leaseToken) OR leaseExpiresAt < :now OR leaseToken = :token"
        values: dict[str, Any] = {
            ":token": {"S": token},
            ":expires": {"N": str(expires_at)},
            ":now": {"N": str(now)},
        }
        if holder is not None:
            update += f", leaseHolder = :holder, {TTL_ATTRIBUTE} = :unused"
            condition += " OR leaseHolder = :holder"
            values |= {":holder": {"S": holder}, ":unused": {"N": str(now // 1000 + _UNUSED_SECONDS)}}
        try:
            response = self.dynamodb.update_item(
                TableName=self.table,
                Key={KEY: {"S": key}},
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException as error:
            raise LeaseTakenError(f"another worker holds the lease on {key}") from error
        return Lease(self.dynamodb, self.table, key, token, response["Attributes"])


@dataclass(frozen=True)
class Lease:
    """A lease that was acquired; botocore's errors propagate."""

    dynamodb: "DynamoDBClient"
    table: str
    key: str
    token: str
    item: Mapping[str, Any]
    """The item as it was when the lease was acquired, in DynamoDB's JSON."""

    def update(
        self, expression: str, values: Mapping[str, Any] | None = None, names: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        """Change the item by an update expression; return all of it afterwards, in DynamoDB's JSON.

        Raises:
            LeaseLostError: Another worker holds the lease now.
        """
        more: dict[str, Any] = {"ExpressionAttributeNames": names} if names else {}
        try:
            response = self.dynamodb.update_item(
                TableName=self.table,
                Key={KEY: {"S": self.key}},
                UpdateExpression=expression,
                ConditionExpression="leaseToken = :lease",
                ExpressionAttributeValues={":lease": {"S": self.token}, **(values or {})},
                ReturnValues="ALL_NEW",
                **more,
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException as error:
            raise LeaseLostError(f"another worker holds the lease on {self.key} now") from error
        return response["Attributes"]

    def release(self) -> None:
        """Release the lease; one that another worker holds by now stays theirs."""
        try:
            self.update("REMOVE leaseToken, leaseExpiresAt")
        except LeaseLostError:
            return
