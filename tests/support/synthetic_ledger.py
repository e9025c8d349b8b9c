"""A ledger's table of any size that answers as DynamoDB does; its rows are computed when they are read."""

from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger import KEY, SERIAL_INDEX, State, ca_serial
from iot_jitr_runtime.ledger_table import SWEEP_PREFIX

PAGE_BYTES = 1_000_000
_BATCH = 100
_MODULUS = 2**126
_FACTOR = 0x2545F4914F6CDD1D
_INVERSE = pow(_FACTOR, -1, _MODULUS)


def serial_of(row: int) -> int:
    """The serial number in a row: 16 bytes, spread over all of their range."""
    return _MODULUS + row * _FACTOR % _MODULUS


def row_of(serial: int) -> int:
    """The number of the row that would have this serial number in a large enough table."""
    return (serial - _MODULUS) * _INVERSE % _MODULUS


class SyntheticLedger:
    """A DynamoDB client with one table. Every `share`-th row is of the CA, and its device in service.

    Args:
        rows: How many rows the table has, items beside them not counted.
        ca: The CA.
        share: Every so many-th row is the CA's; the others are of other CAs.
        row_bytes: How large a row is.
        spend: Called with the name of each operation and how many megabytes it has read.
    """

    def __init__(
        self,
        rows: int,
        ca: CaCertificateId,
        *,
        share: int,
        row_bytes: int,
        spend: Callable[[str, float], None],
    ) -> None:
        self.rows = rows
        self.ca = ca
        self.share = share
        self.rows_a_page = PAGE_BYTES // row_bytes
        self.row_bytes = row_bytes
        self.spend = spend
        self.revoked: set[int] = set()
        self.state: dict[str, Any] = {}
        self.written: list[str] = []

    def revoke(self, certificate_id: CertificateId) -> None:
        row = int(certificate_id, 16)
        assert row not in self.revoked, "nothing is done twice"
        self.revoked.add(row)

    def describe_table(self, TableName: str) -> dict[str, Any]:  # noqa: N803 - DynamoDB's names
        del TableName
        return {"Table": {"ItemCount": self.rows}}

    def scan(self, *, ExclusiveStartKey: Any = None, **request: Any) -> dict[str, Any]:  # noqa: N803
        assert request["ConsistentRead"]
        assert request["FilterExpression"] == "(#n0 = :v0 AND attribute_exists(#n1))"
        assert request["ExpressionAttributeNames"] == {"#n0": "caCertificateId", "#n1": "serialNumber"}
        assert request["ExpressionAttributeValues"] == {":v0": {"S": self.ca}}
        start = int(ExclusiveStartKey[KEY]["S"], 16) + 1 if ExclusiveStartKey else 0
        end = min(start + self.rows_a_page, self.rows)
        first = -(-start // self.share) * self.share
        self.spend("Scan", (end - start) * self.row_bytes / 1e6)
        page: dict[str, Any] = {"Items": [self._item(row) for row in range(first, end, self.share)]}
        # DynamoDB names a last key where the limit is reached, even if nothing comes after it.
        if end - start == self.rows_a_page:
            page["LastEvaluatedKey"] = {KEY: {"S": _key(end - 1)}}
        return page

    def query(self, *, IndexName: str, ExpressionAttributeValues: Any, **_: Any) -> dict[str, Any]:  # noqa: N803
        self.spend("Query", 0)
        if IndexName != SERIAL_INDEX:
            return {"Items": []}
        ca, serial = ExpressionAttributeValues[":v0"]["S"].split("#")
        row = row_of(int(serial, 16))
        return {"Items": [{KEY: {"S": _key(row)}}] if ca == self.ca and self._is_ours(row) else []}

    def get_paginator(self, operation: str) -> "SyntheticLedger":
        assert operation == "query"
        return self

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        yield self.query(**request)

    def batch_get_item(self, RequestItems: Any) -> dict[str, Any]:  # noqa: N803
        self.spend("BatchGetItem", 0)
        [(table, request)] = RequestItems.items()
        keys = [key[KEY]["S"] for key in request["Keys"]]
        if not 0 < len(keys) <= _BATCH or len(set(keys)) < len(keys):
            raise ClientError({"Error": {"Code": "ValidationException"}}, "BatchGetItem")
        items = []
        for key in keys:
            if not key.startswith("#"):
                items.append(self._item(int(key, 16)))
            elif key.endswith("#0"):
                items.append({KEY: {"S": key}, "devices": {"N": str(-(-self.rows // self.share))}})
        return {"Responses": {table: items}, "UnprocessedKeys": {}}

    def update_item(self, *, Key: Any, UpdateExpression: str, **request: Any) -> dict[str, Any]:  # noqa: N803
        """Only the sweep's state is written, by its own expressions."""
        assert Key[KEY]["S"].startswith(SWEEP_PREFIX)
        names = request["ExpressionAttributeNames"]
        values = request["ExpressionAttributeValues"]
        if request["ConditionExpression"] == "#n0 = :v0":
            assert self.state[names["#n0"]] == values[":v0"]
        verb, changes = UpdateExpression.split(" ", 1)
        for change in changes.split(", "):
            name, _, value = change.partition(" = ")
            if verb == "SET":
                self.state[names[name]] = values[value]
            else:
                del self.state[names[name]]
            if names[name] == "progress":
                self.written.append(self.state["progress"]["S"])
        return {"Attributes": dict(self.state)}

    def _is_ours(self, row: int) -> bool:
        return row < self.rows and row % self.share == 0

    def _item(self, row: int) -> dict[str, Any]:
        serial = f"{serial_of(row):x}"
        revoked = row in self.revoked
        item: dict[str, Any] = {
            KEY: {"S": _key(row)},
            "caCertificateId": {"S": self.ca},
            "serialNumber": {"S": serial},
            "caSerial": {"S": ca_serial(self.ca, serial)},  # type: ignore[arg-type]
            "state": {"S": State.REVOKED if revoked else State.ACTIVATED},
        }
        if not revoked:
            item["inFleet"] = {"BOOL": True}
        return item


def _key(row: int) -> str:
    return f"{row:064x}"
