"""Certificates that another caller decided about are added to the ledger, so that they can be revoked."""

from dataclasses import dataclass

import pytest

from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import TTL_ATTRIBUTE, State
from iot_jitr_runtime.ledger.revocations import RevocationLedger
from iot_jitr_runtime.outcomes import DeferredError, Reason, RefusedError
from iot_jitr_runtime.reconciler.backfill import Backfill, Backfilled
from iot_jitr_runtime.sweep.state import SweepStates
from tests.support.account import Account
from tests.support.faults import counted


@dataclass
class Crl:
    """A revocation check with a fixed answer."""

    answer: Exception | None = None

    def check(self, ca_certificate_id: object, certificate: object) -> str:
        del ca_certificate_id, certificate
        if self.answer:
            raise self.answer
        return "1"


def rescan_requested(aws: Account) -> bool:
    return SweepStates(aws.ledger.items).read(aws.ca_id).rescan_requested_at > 0


def add(aws: Account, certificate_id: str, crl: Exception | None = None) -> Backfilled:
    """Backfill a certificate; `crl` is how its revocation check ends."""
    backfill = Backfill(aws.iot, aws.ledger, Crl(crl), aws.clock)  # type: ignore[arg-type]
    return backfill.add(aws.ca_id, CertificateId(certificate_id))


def registered(aws: Account, status: str = "ACTIVE") -> CertificateId:
    certificate_id = aws.pending()
    aws.iot.update_certificate(certificateId=certificate_id, newStatus=status)
    return certificate_id


@pytest.mark.parametrize("status", ["ACTIVE", "INACTIVE", "REVOKED"])
def test_a_backfilled_certificate_is_found_by_its_serial_number(aws: Account, status: str) -> None:
    certificate_id = registered(aws, status)

    assert add(aws, certificate_id) is Backfilled.KNOWN

    row = aws.row(certificate_id)
    assert row.serial_number is not None
    assert row.state is State.KNOWN
    assert row.common_name is not None
    ledger = RevocationLedger(aws.dynamodb, aws.table)
    assert ledger.find(aws.ca_id, row.serial_number) == [certificate_id]


@pytest.mark.parametrize(("status", "devices"), [("ACTIVE", 1), ("INACTIVE", 0), ("REVOKED", 0)])
def test_an_active_backfilled_certificate_counts_once_as_in_service(
    aws: Account, status: str, devices: int
) -> None:
    certificate_id = registered(aws, status)

    for _ in range(2):
        add(aws, certificate_id)

    assert aws.ledger.fleet.size(aws.ca_id) == devices


def test_backfill_does_not_change_the_status(aws: Account) -> None:
    certificate_id = registered(aws, "INACTIVE")

    with counted(aws.iot) as calls:
        add(aws, certificate_id)

    assert calls == ["DescribeCertificate"]


@pytest.mark.parametrize("reason", [Reason.REVOKED, Reason.ON_HOLD])
@pytest.mark.parametrize(
    ("status", "expected"),
    [("ACTIVE", Backfilled.LISTED), ("INACTIVE", Backfilled.KNOWN), ("REVOKED", Backfilled.KNOWN)],
)
def test_a_listed_active_certificate_requests_a_rescan(
    aws: Account, status: str, expected: Backfilled, reason: Reason
) -> None:
    certificate_id = registered(aws, status)

    assert add(aws, certificate_id, RefusedError(reason)) is expected

    row = aws.row(certificate_id)
    assert (row.state, row.serial_number is not None) == (State.KNOWN, True)
    assert rescan_requested(aws) is (status == "ACTIVE")
    assert aws.status(certificate_id) == status


def test_without_a_usable_crl_the_next_pass_backfills_the_certificate(aws: Account) -> None:
    certificate_id = registered(aws)

    result = add(aws, certificate_id, DeferredError(Reason.CRL_STALE))

    assert result is Backfilled.UNCHECKED
    assert aws.ledger.row(certificate_id) is None


def test_a_certificate_that_is_deleted_concurrently_is_gone(aws: Account) -> None:
    assert add(aws, "0" * 64) is Backfilled.GONE


def test_a_certificate_that_cannot_be_read_is_skipped(aws: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate_id = registered(aws)
    described = {"certificateDescription": {"certificatePem": "no certificate"}}
    monkeypatch.setattr(aws.iot, "describe_certificate", lambda **_: described)

    assert add(aws, certificate_id) is Backfilled.UNREADABLE


def test_a_certificate_with_unreadable_extensions_is_skipped(aws: Account) -> None:
    result = add(aws, registered(aws), RefusedError(Reason.UNPARSABLE_CERTIFICATE))

    assert result is Backfilled.UNREADABLE


def test_a_row_with_a_serial_number_is_not_changed(aws: Account) -> None:
    certificate_id = aws.pending()
    aws.process(aws.event(certificate_id))
    before = aws.ledger.row(certificate_id)

    add(aws, certificate_id)

    assert aws.ledger.row(certificate_id) == before


def test_backfill_adds_a_missing_serial_number_and_keeps_the_state(aws: Account) -> None:
    certificate_id = registered(aws)
    aws.dynamodb.put_item(
        TableName=aws.table,
        Item={
            "certificateId": {"S": certificate_id},
            "state": {"S": State.REFUSED},
            "decidedAt": {"N": "7"},
            TTL_ATTRIBUTE: {"N": "9"},
        },
    )

    add(aws, certificate_id)

    row = aws.row(certificate_id)
    assert (row.state, row.decided_at, row.expires_at) == (State.REFUSED, 7, 0)
    assert row.serial_number is not None


def test_a_certificate_without_a_common_name_is_added_too(aws: Account) -> None:
    certificate_id = aws.pending(aws.ca.issue(DeviceSpec(None)).certificate)

    assert add(aws, certificate_id) is Backfilled.KNOWN

    assert aws.row(certificate_id).common_name is None
