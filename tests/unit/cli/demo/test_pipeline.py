"""The pipeline of the demonstration: times on record, and the CA's CRL."""

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.stub import Stubber
from cryptography import x509

from iot_jitr_cli.console import CliError
from iot_jitr_cli.demo import pipeline as module
from iot_jitr_cli.demo.model import Milestone
from iot_jitr_cli.demo.pipeline import DemoPipeline
from iot_jitr_cli.deployment import Deployment
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_cli.pki.revocation_list import RevocationList
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.revocation.crl import Crl
from iot_jitr_runtime.revocation.store import IndexMissingError
from tests.support.aws_clients import aws_client

CA = DevelopmentCa.create("ours")
OUTPUTS = {
    "LedgerTable": "ledger",
    "RevocationBucket": "bucket",
    "LabCaCertificateId": "c" * 64,
    "LabCrlLocation": "s3://bucket/crl/Lab/",
}
ACTIVE, PENDING, UNKNOWN = "1" * 64, "2" * 64, "3" * 64
CREATED = datetime.fromtimestamp(1000.0005, UTC)


class FakeS3:
    """Keeps what is uploaded."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803 - boto3's names
        self.objects[Bucket, Key] = Body


def pipeline_with(**clients: Any) -> DemoPipeline:
    deployment = Deployment("iot-jitr", "us-east-1", OUTPUTS)
    session: Any = SimpleNamespace(client=clients.get)
    return DemoPipeline(session, deployment, deployment.cas[0], revocations=RevocationList(CA))


def stubbed(service: str) -> tuple[Any, Stubber]:
    client = aws_client(service)
    stubber = Stubber(client)
    stubber.activate()
    return client, stubber


@pytest.fixture
def recorded() -> DemoPipeline:
    iot, iot_stub = stubbed("iot")
    dynamodb, dynamodb_stub = stubbed("dynamodb")
    listed = [
        {"certificateId": ACTIVE, "status": "ACTIVE", "creationDate": CREATED},
        {"certificateId": "9" * 64, "status": "INACTIVE", "creationDate": CREATED},
    ]
    ca = {"caCertificateId": "c" * 64}
    iot_stub.add_response("list_certificates_by_ca", {"certificates": listed[:1], "nextMarker": "m"}, ca)
    iot_stub.add_response("list_certificates_by_ca", {"certificates": listed[1:]}, {**ca, "marker": "m"})
    rows = [
        {
            "certificateId": {"S": ACTIVE},
            "state": {"S": "activated"},
            "firstSeenAt": {"N": "1000000"},
            "decidedAt": {"N": "1002500"},
        },
        {"certificateId": {"S": PENDING}, "firstSeenAt": {"N": "1001500"}},
    ]
    dynamodb_stub.add_response("batch_get_item", {"Responses": {"ledger": rows}})
    return pipeline_with(iot=iot, dynamodb=dynamodb)


def test_marks_are_read_for_the_given_devices_only(recorded: DemoPipeline) -> None:
    certificate_ids = [CertificateId(each) for each in (ACTIVE, PENDING, UNKNOWN)]
    assert set(recorded.marks(certificate_ids)) == {
        (ACTIVE, Milestone.REGISTERED, CREATED.timestamp()),
        (ACTIVE, Milestone.PENDING, CREATED.timestamp()),
        (ACTIVE, Milestone.ACTIVATED, 1002.5),
        (PENDING, Milestone.PENDING, 1001.5),
    }


def test_statuses_are_read_for_every_certificate_of_the_ca(recorded: DemoPipeline) -> None:
    assert recorded.statuses() == {ACTIVE: "ACTIVE", "9" * 64: "INACTIVE"}


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Versions of the index, one for each call; None: there is none. The last one stays."""
    versions: list[str | None] = [None]

    def current(_store: object, _ca: object) -> Any:
        version = versions.pop(0) if len(versions) > 1 else versions[0]
        if version is None:
            raise IndexMissingError("none yet")
        return SimpleNamespace(version=version)

    monkeypatch.setattr(module.IndexStore, "current", current)
    return versions


def test_revoke_uploads_the_crl_and_waits_for_its_index(published: list[str | None]) -> None:
    s3 = FakeS3()
    pipeline = pipeline_with(s3=s3)
    device = CA.issue(DeviceSpec("sensor-1"))
    published[:] = [None, None, None, "1"]

    pipeline.wait_for_index(pipeline.revoke(device, x509.ReasonFlags.key_compromise))

    uploaded = Crl.load(s3.objects["bucket", "crl/Lab/ca.crl"]).parsed
    assert [entry.serial_number for entry in uploaded] == [device.certificate.x509.serial_number]
    assert published == ["1"]


@pytest.mark.usefixtures("published")
def test_a_crl_without_an_index_in_time_is_an_error() -> None:
    pipeline = replace(pipeline_with(s3=FakeS3()), timeout=0.0)
    replaced = pipeline.revoke(CA.issue(DeviceSpec("sensor-1")), x509.ReasonFlags.key_compromise)

    with pytest.raises(CliError, match=r"ministack\.log"):
        pipeline.wait_for_index(replaced)
