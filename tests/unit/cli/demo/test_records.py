"""Times on record: AWS IoT's and the ledger's."""

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from iot_jitr_cli.demo.model import Mark
from iot_jitr_cli.demo.records import Records

CA_ID = "c" * 64
IN, PENDING, UNKNOWN = "1" * 64, "2" * 64, "3" * 64
CREATED = datetime.fromtimestamp(1000.0005, UTC)


def numbers(**values: int) -> dict[str, dict[str, str]]:
    return {name: {"N": str(value)} for name, value in values.items()}


def client(service: str) -> Any:
    return boto3.client(service, "us-east-1", aws_access_key_id="a", aws_secret_access_key="b")


@pytest.fixture
def records() -> Records:
    iot, dynamodb = client("iot"), client("dynamodb")
    stubbed_iot, stubbed_dynamodb = Stubber(iot), Stubber(dynamodb)
    ours = {"certificateId": IN, "status": "ACTIVE", "creationDate": CREATED}
    another = {"certificateId": "9" * 64, "status": "INACTIVE", "creationDate": CREATED}
    pages: list[dict[str, Any]] = [{"certificates": [ours], "nextMarker": "m"}, {"certificates": [another]}]
    stubbed_iot.add_response("list_certificates_by_ca", pages[0], {"caCertificateId": CA_ID})
    stubbed_iot.add_response("list_certificates_by_ca", pages[1], {"caCertificateId": CA_ID, "marker": "m"})
    activated = {"certificateId": {"S": IN}, "state": {"S": "activated"}}
    rows = [
        {**activated, **numbers(firstSeenAt=1_000_000, decidedAt=1_002_500)},
        {"certificateId": {"S": PENDING}, **numbers(firstSeenAt=1_001_500)},
    ]
    stubbed_dynamodb.add_response("batch_get_item", {"Responses": {"ledger": rows}})
    stubbed_iot.activate()
    stubbed_dynamodb.activate()
    return Records(iot, dynamodb, CA_ID, "ledger")


def test_marks_are_what_is_on_record_of_the_devices_asked_for(records: Records) -> None:
    assert set(records.marks([IN, PENDING, UNKNOWN])) == {
        (IN, Mark.REGISTERED, CREATED.timestamp()),
        (IN, Mark.PENDING, CREATED.timestamp()),
        (IN, Mark.ACTIVATED, 1002.5),
        (PENDING, Mark.PENDING, 1001.5),
    }


def test_statuses_are_of_every_certificate_under_the_ca(records: Records) -> None:
    assert records.statuses() == {IN: "ACTIVE", "9" * 64: "INACTIVE"}
