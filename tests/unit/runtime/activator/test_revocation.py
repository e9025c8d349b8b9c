"""The activation of certificates whose CA has a CRL: never without a fresh revocation check."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.revocation.checker import IndexedRevocation
from iot_jitr_runtime.revocation.store import IndexStore, Published
from tests.support.account import Account
from tests.support.buckets import new_bucket, s3_client
from tests.support.crls import HOLD, CrlSpec, Entry
from tests.support.faults import Fault, injected, stepped
from tests.support.indexes import publish_index

HOUR = timedelta(hours=1)


class Revoking:
    """An account whose CA has a CRL."""

    def __init__(self, aws: Account, folder: Path) -> None:
        self.aws = aws
        self.folder = folder
        self.s3 = s3_client()
        self.store = IndexStore(self.s3, new_bucket(self.s3))
        aws.parts["revocation"] = IndexedRevocation(self.store, clock=aws.clock)
        self.number = 0

    def publish(self, *entries: Entry) -> Published:
        self.number += 1
        now = self.aws.clock()
        spec = CrlSpec(entries, number=self.number, this_update=now - HOUR, next_update=now + 24 * HOUR)
        path = self.folder / str(self.number)
        return publish_index(self.store, path, self.aws.ca, spec, compiled_at=now, ca_id=self.aws.ca_id)


@pytest.fixture
def revoking(aws: Account, tmp_path: Path) -> Revoking:
    return Revoking(aws, tmp_path)


def test_a_certificate_that_is_not_listed_is_activated_and_the_ledger_has_the_index(
    aws: Account, revoking: Revoking
) -> None:
    published = revoking.publish(Entry(1))
    certificate_id = aws.pending()

    assert aws.connect(certificate_id) is None
    row = aws.row(certificate_id)
    assert (row.state, row.index_version) == (State.ACTIVATED, published.version)


@pytest.mark.parametrize(("reason", "expected"), [(None, Reason.REVOKED), (HOLD, Reason.ON_HOLD)])
def test_a_listed_certificate_is_refused(
    aws: Account, revoking: Revoking, reason: Any, expected: Reason
) -> None:
    device = aws.ca.issue(DeviceSpec("device")).certificate
    revoking.publish(Entry(device.x509.serial_number, reason))
    certificate_id = aws.pending(device)

    assert aws.connect(certificate_id) is expected
    assert aws.status(certificate_id) == "PENDING_ACTIVATION"
    assert aws.policies(certificate_id) == []


@pytest.mark.usefixtures("revoking")
def test_without_an_index_the_certificate_waits(aws: Account) -> None:
    certificate_id = aws.pending()

    assert aws.connect(certificate_id) is Reason.CRL_MISSING
    assert aws.status(certificate_id) == "PENDING_ACTIVATION"


def test_a_message_deferred_for_a_stale_crl_activates_after_a_fresh_one(
    aws: Account, revoking: Revoking
) -> None:
    revoking.publish()
    aws.clock.pass_time(days=2)
    certificate_id = aws.pending()
    record = aws.event(certificate_id)
    batch = aws.batch()
    assert aws.process(record, batch=batch) == [record["messageId"]]
    assert aws.reason is Reason.CRL_STALE

    revoking.publish()
    aws.clock.pass_time(minutes=5)
    assert aws.process(aws.redelivered(record), batch=batch) == []

    assert aws.status(certificate_id) == "ACTIVE"
    assert aws.row(certificate_id).attempts == 2


def test_without_the_bucket_no_device_is_activated(aws: Account, revoking: Revoking) -> None:
    revoking.publish()
    certificate_id = aws.pending()
    with injected(revoking.s3, "GetObject", Fault.SERVER_ERROR):
        assert aws.connect(certificate_id) is Reason.SERVICE_ERROR
    assert aws.status(certificate_id) == "PENDING_ACTIVATION"


def test_the_index_is_refreshed_before_the_status_is_read(aws: Account, revoking: Revoking) -> None:
    revoking.publish()
    warm = aws.batch()
    aws.process(aws.event(aws.pending()), batch=warm)
    aws.clock.pass_time(minutes=2)
    record = aws.event(aws.pending())

    with stepped(iot=aws.iot, s3=revoking.s3) as calls:
        aws.process(record, batch=warm)

    assert [f"{client}.{operation}" for client, operation, _ in calls] == [
        "s3.GetObject",
        "iot.DescribeCertificate",
        "iot.AttachPolicy",
        "iot.UpdateCertificate",
    ]
