"""A DynamoDB table with plain values: the only module that builds expressions, and reads and writes items.

Conditions are boto3's (`Attr("state").eq("known")`). A placeholder replaces every name, because many words
are reserved: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, ConditionBase, ConditionExpressionBuilder
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.outcomes import DeferredError, Reason

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]
"""Attributes by name; whole numbers are `int`."""

BATCH_GET_LIMIT = 100
"""Keys in a BatchGetItem call, at most."""
_BATCH_TRIES = 5
_BATCH_PAUSE_SECONDS = 0.1

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


class ConditionFailedError(JitrError):
    """An item does not meet the condition of a write. Nothing was written."""

    def __init__(self, key: str, found: Item) -> None:
        """`found` is the present item; empty if there is none, or if the write was part of a transaction."""
        super().__init__(f"item '{key}' does not meet the condition of a write")
        self.found = found


@dataclass(frozen=True, slots=True)
class Update:
    """A change of one item, which is created if it is missing."""

    key: str
    sets: Mapping[str, object] = field(default_factory=dict)
    """The new values; None removes the attribute."""
    defaults: Mapping[str, object] = field(default_factory=dict)
    """Values of attributes that the item does not have yet."""
    adds: Mapping[str, int | set[str]] = field(default_factory=dict)
    """Values to add to numbers and to sets; a missing attribute counts as 0, or as an empty set."""
    condition: ConditionBase | None = None
    """The condition that the item must meet; None: there is no condition."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose items have one key, a string; botocore's errors propagate."""

    client: "DynamoDBClient"
    name: str
    key_attribute: str

    def get(self, key: str) -> Item | None:
        """Read an item, consistently."""
        response = self.client.get_item(TableName=self.name, Key=self._key(key), ConsistentRead=True)
        return plain(response["Item"]) if "Item" in response else None

    def get_many(self, keys: Sequence[str]) -> Iterator[Item]:
        """Read the items with these keys, consistently, 100 in each call; a missing item is left out.

        Raises:
            DeferredError: `THROTTLED`: some keys stayed unprocessed.
        """
        for start in range(0, len(keys), BATCH_GET_LIMIT):
            batch = [self._key(key) for key in keys[start : start + BATCH_GET_LIMIT]]
            request: Any = {self.name: {"Keys": batch, "ConsistentRead": True}}
            for _ in range(_BATCH_TRIES):
                response = self.client.batch_get_item(RequestItems=request)
                yield from map(plain, response["Responses"].get(self.name, []))
                request = response.get("UnprocessedKeys")
                if not request:
                    break
                time.sleep(_BATCH_PAUSE_SECONDS)
            else:
                raise DeferredError(Reason.THROTTLED, f"the table {self.name} left keys unprocessed")

    def query_keys(
        self, index: str, condition: ConditionBase, *, page_size: int | None = None
    ) -> Iterator[list[str]]:
        """Return, page by page, the keys of an index's items that meet a key condition."""
        pages = self.client.get_paginator("query").paginate(
            TableName=self.name,
            IndexName=index,
            PaginationConfig={"PageSize": page_size} if page_size else {},
            **_expression("KeyConditionExpression", condition, is_key_condition=True),
        )
        for page in pages:
            yield [item[self.key_attribute]["S"] for item in page["Items"]]

    def scan(self, condition: ConditionBase, *, after: str = "") -> tuple[list[dict[str, Any]], str | None]:
        """Read the next items of the table that meet a condition, 1 MB of the table at most, consistently.

        Args:
            condition: The condition for the items.
            after: The key after which to continue, in the table's own order; empty at the start.

        Returns:
            The items in DynamoDB's JSON, because most callers convert only a few of them (with `plain`), and
            the key after which to continue; None at the end of the table.
        """
        start: dict[str, Any] = {"ExclusiveStartKey": self._key(after)} if after else {}
        page = self.client.scan(
            TableName=self.name, ConsistentRead=True, **_expression("FilterExpression", condition), **start
        )
        last = page.get("LastEvaluatedKey")
        return page["Items"], last[self.key_attribute]["S"] if last else None

    def update(self, update: Update) -> Item:
        """Change an item; return the new item.

        Raises:
            ConditionFailedError: It does not meet the update's condition.
        """
        try:
            response = self.client.update_item(
                **self._request(update),
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self.client.exceptions.ConditionalCheckFailedException as error:
            found: Any = error.response.get("Item", {})
            raise ConditionFailedError(update.key, plain(found)) from error
        return plain(response["Attributes"])

    def update_together(self, first: Update, second: Update) -> None:
        """Change two items, both or neither.

        Raises:
            ConditionFailedError: The first one does not meet its update's condition.
        """
        try:
            self.client.transact_write_items(
                TransactItems=[{"Update": self._request(first)}, {"Update": self._request(second)}]
            )
        except self.client.exceptions.TransactionCanceledException as error:
            if cancellation_codes(error)[:1] == ["ConditionalCheckFailed"]:
                raise ConditionFailedError(first.key, {}) from error
            raise

    def _key(self, key: str) -> dict[str, Any]:
        return {self.key_attribute: {"S": key}}

    def _request(self, update: Update) -> Any:
        condition = _expression("ConditionExpression", update.condition) if update.condition else {}
        names: dict[str, str] = condition.get("ExpressionAttributeNames", {})
        values: dict[str, Any] = condition.get("ExpressionAttributeValues", {})

        def name(attribute: str) -> str:
            placeholder = f"#u{len(names)}"
            names[placeholder] = attribute
            return placeholder

        def value(content: object) -> str:
            placeholder = f":u{len(values)}"
            values[placeholder] = _serialize(content)
            return placeholder

        clauses = {
            "SET": [
                *(f"{name(each)} = {value(new)}" for each, new in update.sets.items() if new is not None),
                *(
                    f"{(own := name(each))} = if_not_exists({own}, {value(new)})"
                    for each, new in update.defaults.items()
                ),
            ],
            "ADD": [f"{name(each)} {value(added)}" for each, added in update.adds.items()],
            "REMOVE": [name(each) for each, new in update.sets.items() if new is None],
        }
        request = {
            "TableName": self.name,
            "Key": self._key(update.key),
            "UpdateExpression": " ".join(
                f"{verb} {', '.join(changes)}" for verb, changes in clauses.items() if changes
            ),
            **condition,
            "ExpressionAttributeNames": names,
        }
        if values:
            request["ExpressionAttributeValues"] = values
        return request


def plain(item: Mapping[str, Any]) -> Item:
    """Return an item in DynamoDB's JSON with plain values."""
    values = {name: _deserialize(value) for name, value in item.items()}
    return {name: int(each) if isinstance(each, Decimal) else each for name, each in values.items()}


def still(attribute: str, value: object) -> ConditionBase:
    """Return the condition that an attribute still has this value; None: that it is still missing."""
    return Attr(attribute).not_exists() if value is None else Attr(attribute).eq(value)


def cancellation_codes(error: BaseException) -> list[str]:
    """Return the error code of each item of a cancelled transaction; `None` for an item without an error."""
    response: Mapping[str, Any] = getattr(error, "response", {})
    return [each.get("Code", "None") for each in response.get("CancellationReasons", [])]


def _expression(parameter: str, condition: ConditionBase, *, is_key_condition: bool = False) -> Any:
    built = ConditionExpressionBuilder().build_expression(condition, is_key_condition=is_key_condition)
    request: dict[str, Any] = {
        parameter: built.condition_expression,
        "ExpressionAttributeNames": built.attribute_name_placeholders,
    }
    if built.attribute_value_placeholders:
        request["ExpressionAttributeValues"] = {
            name: _serialize(value) for name, value in built.attribute_value_placeholders.items()
        }
    return request
