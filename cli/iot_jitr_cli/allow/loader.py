"""Writing many devices into the allow list: batches of 25, several at once, each retried until it is in."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from iot_jitr_cli.allow.rows import ListedDevice
from iot_jitr_cli.console import CliError
from iot_jitr_runtime.admission.keys import ATTRIBUTES, TABLE_KEY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BATCH = 25
"""Items that BatchWriteItem takes (API reference)."""
WORKERS = 8
"""Batches that are under way at once."""
_AHEAD = 4 * WORKERS
_TRIES = 12
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 5.0


class ThrottledError(CliError):
    """The table did not take everything, however long the load waited."""


@dataclass(frozen=True)
class Loader:
    """Writes devices into a table. Writing one again changes nothing."""

    dynamodb: "DynamoDBClient"
    table: str
    pause: Callable[[float], None] = time.sleep

    def load(self, devices: Iterable[ListedDevice], on_loaded: Callable[[int], None]) -> None:
        """Write all devices.

        Args:
            devices: The devices; read as they are needed.
            on_loaded: Told, in order, of each number of rows of which all before have been written too. What
                it was told of last is safe, whatever happens afterwards.

        Raises:
            ThrottledError: The table did not take everything in about a minute.
        """
        batches = _batched(devices)
        with ThreadPoolExecutor(WORKERS) as pool:
            under_way: deque[tuple[Future[None], int]] = deque()
            try:
                for batch in batches:
                    under_way.append((pool.submit(self._write, batch), len(batch)))
                    if len(under_way) >= _AHEAD:
                        _finish_first(under_way, on_loaded)
                while under_way:
                    _finish_first(under_way, on_loaded)
            finally:
                for future, _ in under_way:
                    future.cancel()

    def _write(self, batch: list[ListedDevice]) -> None:
        # One call may not name a key twice; the later row wins, as it does across calls.
        items = {str(device.key): _item(device) for device in batch}
        request: Any = {self.table: [{"PutRequest": {"Item": item}} for item in items.values()]}
        pause = _FIRST_PAUSE_SECONDS
        for _ in range(_TRIES):
            request = self.dynamodb.batch_write_item(RequestItems=request).get("UnprocessedItems")
            if not request:
                return
            self.pause(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        raise ThrottledError(
            f"the table {self.table} takes no more: load again later, it goes on where it stopped"
        )


def _finish_first(under_way: deque[tuple[Future[None], int]], on_loaded: Callable[[int], None]) -> None:
    future, rows = under_way[0]
    future.result()
    under_way.popleft()
    on_loaded(rows)


def _batched(devices: Iterable[ListedDevice]) -> Iterator[list[ListedDevice]]:
    iterator = iter(devices)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _item(device: ListedDevice) -> dict[str, Any]:
    item: dict[str, Any] = {TABLE_KEY: {"S": str(device.key)}}
    if device.attributes:
        item[ATTRIBUTES] = {"M": {name: {"S": value} for name, value in device.attributes.items()}}
    return item
