from collections.abc import Iterator
from threading import Lock
from typing import Any

import pytest

from iot_jitr_cli.allow.rows import ListedDevice
from iot_jitr_cli.allow.table import AllowListTable
from iot_jitr_cli.console import CliError
from iot_jitr_runtime.admission.keys import DeviceKey, KeyKind

pytestmark = pytest.mark.timing


class Table:
    """Stores items, except the first `refuse_first`, and records the size of each call."""

    def __init__(self, refuse_first: int = 0) -> None:
        self.refuse_first = refuse_first
        self.items: dict[str, Any] = {}
        self.calls: list[int] = []
        self._lock = Lock()

    def batch_write_item(self, RequestItems: dict[str, list[Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's
        [(name, requests)] = RequestItems.items()
        with self._lock:
            self.calls.append(len(requests))
            left = []
            for request in requests:
                item = request["PutRequest"]["Item"]
                if self.refuse_first > 0:
                    self.refuse_first -= 1
                    left.append(request)
                else:
                    self.items[item["deviceKey"]["S"]] = item
        return {"UnprocessedItems": {name: left} if left else {}}


def devices(count: int) -> Iterator[ListedDevice]:
    return (ListedDevice(DeviceKey(f"sensor-{number}")) for number in range(count))


def allow_list(table: Table, pauses: list[float]) -> AllowListTable:
    return AllowListTable(table, "expected", KeyKind.COMMON_NAME, None, pauses.append)  # type: ignore[arg-type]


def test_unprocessed_items_are_sent_again_after_growing_pauses() -> None:
    table, pauses, loaded = Table(refuse_first=40), list[float](), list[int]()

    allow_list(table, pauses).load(devices(60), loaded.append)

    assert len(table.items) == 60
    assert sum(loaded) == 60
    assert pauses
    assert min(pauses) == 0.05


def test_a_load_fails_with_advice_if_the_table_processes_no_item() -> None:
    pauses: list[float] = []

    with pytest.raises(CliError, match="load the file again later"):
        allow_list(Table(refuse_first=10**9), pauses).load(devices(1), lambda _: None)

    assert max(pauses) == 5.0


def test_a_million_devices_are_never_in_memory_at_once() -> None:
    read = written = most = 0

    def counted() -> Iterator[ListedDevice]:
        nonlocal read
        for device in devices(100_000):
            read += 1
            yield device

    def on_loaded(rows: int) -> None:
        nonlocal written, most
        most = max(most, read - written)
        written += rows

    allow_list(Table(), []).load(counted(), on_loaded)

    assert written == 100_000
    assert most <= 1_000
