"""Reading many of the ledger's items at once, consistently, and to the last of them."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from iot_jitr_runtime.ledger.rows import KEY
from iot_jitr_runtime.outcomes import DeferredError, Reason

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_LIMIT = 100
"""Keys in a BatchGetItem call, at most."""
_TRIES = 5
_PAUSE_SECONDS = 0.1


def read_items(dynamodb: "DynamoDBClient", table: str, keys: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Read the items with these keys, as far as there are any: 100 a call, unprocessed keys asked again.

    Raises:
        DeferredError: `THROTTLED`: some keys stayed unprocessed.
    """
    for start in range(0, len(keys), _LIMIT):
        yield from _read(dynamodb, table, keys[start : start + _LIMIT])


def _read(dynamodb: "DynamoDBClient", table: str, keys: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    request: Any = {table: {"Keys": [{KEY: {"S": key}} for key in keys], "ConsistentRead": True}}
    for _ in range(_TRIES):
        response = dynamodb.batch_get_item(RequestItems=request)
        yield from response["Responses"].get(table, [])
        request = response.get("UnprocessedKeys")
        if not request:
            return
        time.sleep(_PAUSE_SECONDS)
    raise DeferredError(Reason.THROTTLED, "the ledger left keys unprocessed")
