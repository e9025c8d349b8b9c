"""What AWS IoT Core and the pipeline's ledger have on record of certificates; times come from there."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from iot_jitr_cli.demo.model import Mark
from iot_jitr_runtime.ledger.rows import KEY, Row, State

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_iot import IoTClient

_BATCH = 100
"""BatchGetItem's most."""


class Records:
    """Reads both, for many certificates at a time."""

    def __init__(
        self, iot: "IoTClient", dynamodb: "DynamoDBClient", ca_certificate_id: str, table: str
    ) -> None:
        self._iot = iot
        self._dynamodb = dynamodb
        self._ca_certificate_id = ca_certificate_id
        self._table = table

    def marks(self, certificate_ids: Iterable[str]) -> Iterator[tuple[str, Mark, float]]:
        """Certificate, mark and time (seconds since 1970) of all that is on record so far."""
        wanted = set(certificate_ids)
        created = {each["certificateId"]: each["creationDate"].timestamp() for each in self._registered()}
        for certificate_id in wanted & created.keys():
            yield certificate_id, Mark.REGISTERED, created[certificate_id]
        for row in self.rows(wanted):
            # The queue's clock has whole milliseconds, AWS IoT's has more.
            first_seen = max(row.first_seen_at / 1000, created.get(row.certificate_id, 0.0))
            yield row.certificate_id, Mark.PENDING, first_seen
            if row.state is State.ACTIVATED:
                yield row.certificate_id, Mark.ACTIVATED, row.decided_at / 1000

    def statuses(self) -> dict[str, str]:
        """The status of every certificate registered under the CA, by its id."""
        return {each["certificateId"]: each["status"] for each in self._registered()}

    def rows(self, certificate_ids: Iterable[str]) -> Iterator[Row]:
        """The ledger's rows of the certificates that it knows."""
        wanted = sorted(certificate_ids)
        for start in range(0, len(wanted), _BATCH):
            keys = [{KEY: {"S": certificate_id}} for certificate_id in wanted[start : start + _BATCH]]
            answer = self._dynamodb.batch_get_item(
                RequestItems={self._table: {"Keys": keys, "ConsistentRead": True}}
            )
            yield from map(Row.read, answer["Responses"][self._table])

    def _registered(self) -> Iterator[Mapping[str, Any]]:
        pages = self._iot.get_paginator("list_certificates_by_ca").paginate(
            caCertificateId=self._ca_certificate_id
        )
        for page in pages:
            yield from page["certificates"]
