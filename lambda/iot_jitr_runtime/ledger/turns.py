"""Turns: which certificate is examined when, so that all workers together keep to one rate.

Examining a certificate costs AWS IoT calls, and the account's quota bounds how many there can be in a second.
When a whole fleet connects at once, each certificate gets a turn, first come, first served, and its message
sleeps in the queue until then. That is also when its further events become stale: they are dropped at the
speed of the ledger, not at the pace of the quota, and never pile up behind the devices that wait.

The line is one item of the ledger's table, the moment at which the next turn is free (the virtual scheduling
algorithm of ITU-T I.371, annex A).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.ledger.rows import KEY, SETTLED, Row, State
from iot_jitr_runtime.outcomes import DeferredError, Reason, StaleError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LINE_KEY = "#line"
"""The key of the line's item, which is no certificate's."""
UTILISATION = 0.97
"""Share of the rate that is given away. Without a margin, a bucket once empty would never fill again."""

_NEXT = "nextTurnAt"
"""Microseconds since the epoch: at 1,000 a second, turns lie 1.03 ms apart."""
_TRIES = 4


class LineTooLongError(JitrError):
    """More devices wait for their turn than the caller is ready to stand behind."""


@dataclass(frozen=True)
class Turns:
    """Gives out turns, `per_second` of them, over all workers that share the table."""

    dynamodb: "DynamoDBClient"
    table: str
    per_second: float

    def reserve(self, count: int, *, now: int, within: int | None = None) -> list[int]:
        """Take the next `count` turns; return when they are, in milliseconds since the epoch, in order.

        Args:
            count: How many, at least 1.
            now: This moment, in milliseconds since the epoch.
            within: Only if the first of them is at most so many milliseconds away.

        Raises:
            LineTooLongError: It is further away than `within`. No turn was taken.
            DeferredError: `THROTTLED`: too many workers ask at this moment.
        """
        interval = round(1_000_000 / (self.per_second * UTILISATION))
        for _ in range(_TRIES):
            free_again = self._join(count * interval, now, within)
            if free_again is None:
                free_again = self._open(count * interval, now)
            if free_again is not None:
                return [(free_again - left * interval) // 1000 for left in range(count, 0, -1)]
        raise DeferredError(Reason.THROTTLED, "too many workers ask for a turn")

    def wait(self, row: Row, *, turn: int, sent_at: int, message_id: str, now: int) -> None:
        """Write that a certificate waits for its turn, and which message brings it back.

        Args:
            row: What the ledger said of the certificate.
            turn: Its turn, in milliseconds since the epoch. Its events sent before are stale from now on.
            sent_at: When the event was sent that waits.
            message_id: The message of that event.
            now: This moment.

        Raises:
            StaleError: `ALREADY_DECIDED`, or waiting already, meanwhile.
            DeferredError: `CLAIMED_ELSEWHERE`.
        """
        kept = row.state in {State.ACTIVATING, *SETTLED}
        seen = "attribute_not_exists(#state)" if row.state is None else "#state = :seen"
        values: dict[str, Any] = {
            ":state": {"S": row.state if kept and row.state else State.DEFERRED},
            ":reason": {"S": Reason.AWAITING_TURN},
            ":turn": {"N": str(turn)},
            ":message": {"S": message_id},
            ":now": {"N": str(now)},
            ":sent": {"N": str(sent_at)},
        }
        if row.state is not None:
            values[":seen"] = {"S": row.state}
        try:
            self.dynamodb.update_item(
                TableName=self.table,
                Key={KEY: {"S": row.certificate_id}},
                UpdateExpression="SET #state = :state, reason = :reason, decidedAt = :now, "
                "lookAgainAt = :turn, waitingMessageId = :message, "
                "firstSeenAt = if_not_exists(firstSeenAt, :sent) REMOVE detail",
                ConditionExpression=f"(waitingMessageId = :message AND lookAgainAt = :turn) OR ({seen} AND "
                "(attribute_not_exists(claimToken) OR claimExpiresAt < :now) AND "
                "(attribute_not_exists(lookAgainAt) OR lookAgainAt < :sent OR waitingMessageId = :message))",
                ExpressionAttributeNames={"#state": "state"},
                ExpressionAttributeValues=values,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException as error:
            found: Any = error.response.get("Item")
            meanwhile = Row.read(found) if found else row
            if meanwhile.makes_stale(sent_at, message_id):
                raise StaleError(Reason.ALREADY_DECIDED, f"{meanwhile.state} already") from error
            raise DeferredError(Reason.CLAIMED_ELSEWHERE, "another worker is at it") from error

    def _join(self, span: int, now: int, within: int | None) -> int | None:
        """Stand at the end of the line; None if there is none."""
        latest = None if within is None else (now + within) * 1000
        values = {":span": _number(span), ":now": _number(now * 1000)}
        condition = f"{_NEXT} >= :now"
        if latest is not None:
            condition += f" AND {_NEXT} <= :latest"
            values[":latest"] = _number(latest)
        try:
            return self._update(f"SET {_NEXT} = {_NEXT} + :span", condition, values)
        except self.dynamodb.exceptions.ConditionalCheckFailedException as error:
            found: Any = error.response.get("Item") or {}
            free = int(found[_NEXT]["N"]) if found else 0
            if latest is not None and free > latest:
                raise LineTooLongError(
                    f"the next turn is in {free // 1000 - now} ms, asked for one within {within} ms"
                ) from error
            return None

    def _open(self, span: int, now: int) -> int | None:
        """Start a line at this moment; None if somebody else just did."""
        condition = f"attribute_not_exists({_NEXT}) OR {_NEXT} < :now"
        values = {":now": _number(now * 1000), ":end": _number(now * 1000 + span)}
        try:
            return self._update(f"SET {_NEXT} = :end", condition, values)
        except self.dynamodb.exceptions.ConditionalCheckFailedException:
            return None

    def _update(self, update: str, condition: str, values: dict[str, Any]) -> int:
        response = self.dynamodb.update_item(
            TableName=self.table,
            Key={KEY: {"S": LINE_KEY}},
            UpdateExpression=update,
            ConditionExpression=condition,
            ExpressionAttributeValues=values,
            ReturnValues="UPDATED_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
        return int(response["Attributes"][_NEXT]["N"])


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}
