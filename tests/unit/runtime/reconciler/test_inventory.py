"""Entering what somebody else registered, so that it can be revoked by serial."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId, SerialNumber
from iot_jitr_runtime.ledger import SERIAL_INDEX, SERIAL_INDEX_KEY, Identity, State, ca_serial
from iot_jitr_runtime.ledger.fleet import Fleet
from iot_jitr_runtime.outcomes import DeferredError, Reason, RefusedError
from iot_jitr_runtime.rate_limiter import NoSlotError
from iot_jitr_runtime.reconciler.entries import LedgerEntries
from iot_jitr_runtime.reconciler.inventory import Entered, Inventory
from iot_jitr_runtime.reconciler.listing import Listed
from tests.support.account import Account
from tests.support.faults import counted


@dataclass
class Crl:
    """A revocation check that answers as told."""

    answer: Exception | None = None

    def check(self, ca_certificate_id: object, certificate: object) -> str:
        del ca_certificate_id, certificate
        if self.answer:
            raise self.answer
        return "1"


@dataclass
class Sweep:
    asked: list[CaCertificateId] = field(default_factory=list)

    def request_rescan(self, ca: CaCertificateId, *, now: int) -> None:
        del now
        self.asked.append(ca)


def inventory(aws: Account, crl: Crl | None = None, sweep: Any = None, rate: float = 1e6) -> Inventory:
    return Inventory(
        iot=aws.iot,
        entries=LedgerEntries(aws.dynamodb, aws.table),
        rate_limiter=aws.rate_limiter(rate),
        revocation=crl or Crl(),
        sweep=sweep or Sweep(),
        clock=aws.clock,
    )


def listed(aws: Account, certificate_id: str, status: str = "ACTIVE") -> Listed:
    return Listed(CertificateId(certificate_id), status, aws.clock())


def enter(
    aws: Account,
    entering: Inventory,
    certificate_id: str,
    status: str = "ACTIVE",
    until: datetime | None = None,
) -> Entered:
    until = until or aws.clock() + timedelta(minutes=1)
    return entering.enter(aws.ca_id, listed(aws, certificate_id, status), until=until)


def registered(aws: Account, status: str = "ACTIVE") -> CertificateId:
    certificate_id = aws.pending()
    aws.iot.update_certificate(certificateId=certificate_id, newStatus=status)
    return certificate_id


@pytest.mark.parametrize("status", ["ACTIVE", "INACTIVE", "REVOKED"])
def test_a_certificate_of_somebody_else_can_be_found_by_serial_afterwards(aws: Account, status: str) -> None:
    certificate_id = registered(aws, status)

    assert enter(aws, inventory(aws), certificate_id, status) is Entered.KNOWN

    row = aws.ledger.row(certificate_id)
    assert row is not None
    assert row.serial_number is not None
    assert row.state is State.KNOWN
    assert row.common_name is not None
    found = aws.dynamodb.query(
        TableName=aws.table,
        IndexName=SERIAL_INDEX,
        KeyConditionExpression=f"{SERIAL_INDEX_KEY} = :key",
        ExpressionAttributeValues={":key": {"S": ca_serial(aws.ca_id, row.serial_number)}},
    )
    assert [item["certificateId"]["S"] for item in found["Items"]] == [certificate_id]


@pytest.mark.parametrize(("status", "devices"), [("ACTIVE", 1), ("INACTIVE", 0), ("REVOKED", 0)])
def test_it_counts_as_a_device_in_service_once_if_it_is_active(
    aws: Account, status: str, devices: int
) -> None:
    certificate_id = registered(aws, status)

    for _ in range(2):
        enter(aws, inventory(aws), certificate_id, status)

    assert Fleet(aws.dynamodb, aws.table).size(aws.ca_id) == devices


def test_its_status_is_not_touched(aws: Account) -> None:
    certificate_id = registered(aws, "INACTIVE")

    with counted(aws.iot) as calls:
        enter(aws, inventory(aws), certificate_id, "INACTIVE")

    assert calls == ["DescribeCertificate"]


@pytest.mark.parametrize("reason", [Reason.REVOKED, Reason.ON_HOLD])
def test_for_an_active_one_on_the_crl_the_sweep_is_asked(aws: Account, reason: Reason) -> None:
    certificate_id, sweep = registered(aws), Sweep()

    result = enter(aws, inventory(aws, Crl(RefusedError(reason)), sweep), certificate_id)

    row = aws.ledger.row(certificate_id)
    assert row is not None
    assert (row.state, row.serial_number is not None) == (State.KNOWN, True)
    assert (result, sweep.asked) == (Entered.LISTED, [aws.ca_id])
    assert aws.status(certificate_id) == "ACTIVE"


@pytest.mark.parametrize("status", ["INACTIVE", "REVOKED"])
def test_one_that_is_not_in_use_is_only_entered(aws: Account, status: str) -> None:
    certificate_id, sweep = registered(aws, status), Sweep()
    crl = Crl(RefusedError(Reason.REVOKED))

    result = enter(aws, inventory(aws, crl, sweep), certificate_id)

    assert (result, sweep.asked) == (Entered.KNOWN, [])


def test_without_a_crl_to_ask_it_is_left_for_the_next_pass(aws: Account) -> None:
    certificate_id = registered(aws)

    result = enter(aws, inventory(aws, Crl(DeferredError(Reason.CRL_STALE))), certificate_id)

    assert result is Entered.UNCHECKED
    assert aws.ledger.row(certificate_id) is None


def test_one_that_is_deleted_meanwhile_is_gone(aws: Account) -> None:
    assert enter(aws, inventory(aws), "0" * 64) is Entered.GONE


def test_one_that_cannot_be_read_is_left_alone(aws: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate_id = registered(aws)
    described = {"certificateDescription": {"certificatePem": "no certificate"}}
    monkeypatch.setattr(aws.iot, "describe_certificate", lambda **_: described)

    assert enter(aws, inventory(aws), certificate_id) is Entered.UNREADABLE


def test_one_whose_extensions_cannot_be_read_is_left_alone(aws: Account) -> None:
    crl = Crl(RefusedError(Reason.UNPARSABLE_CERTIFICATE))

    result = enter(aws, inventory(aws, crl), registered(aws))

    assert result is Entered.UNREADABLE


def test_while_devices_wait_nothing_is_entered_and_no_call_made(aws: Account) -> None:
    certificate_id = registered(aws)
    slow = inventory(aws, rate=10)
    slow.rate_limiter.reserve(60)
    enter(aws, slow, certificate_id)

    with counted(aws.iot) as calls, pytest.raises(NoSlotError):
        enter(aws, slow, certificate_id, until=aws.clock() + timedelta(seconds=4))

    assert calls == []


def test_a_turn_that_is_near_is_waited_for(aws: Account) -> None:
    begun = aws.clock()
    slow = inventory(aws, rate=2)
    for _ in range(2):
        assert enter(aws, slow, registered(aws)) is Entered.KNOWN

    assert 0.5 < (aws.clock() - begun).total_seconds() < 0.6


def test_a_row_that_knows_its_serial_is_left_as_it_is(aws: Account) -> None:
    certificate_id = aws.pending()
    aws.process(aws.event(certificate_id))
    before = aws.ledger.row(certificate_id)

    enter(aws, inventory(aws), certificate_id)

    assert aws.ledger.row(certificate_id) == before


def test_a_row_without_a_serial_learns_it_and_keeps_its_state(aws: Account) -> None:
    certificate_id = registered(aws)
    aws.dynamodb.put_item(
        TableName=aws.table,
        Item={"certificateId": {"S": certificate_id}, "state": {"S": State.REFUSED}, "decidedAt": {"N": "7"}},
    )

    enter(aws, inventory(aws), certificate_id)

    row = aws.ledger.row(certificate_id)
    assert row is not None
    assert (row.state, row.decided_at) == (State.REFUSED, 7)
    assert row.serial_number is not None


def test_a_certificate_without_a_common_name_is_entered_too(aws: Account) -> None:
    entries = LedgerEntries(aws.dynamodb, aws.table)
    certificate_id = CertificateId("b" * 64)

    identity = Identity(aws.ca_id, SerialNumber("ab"), None)
    assert entries.enter_known(certificate_id, identity, active=False, now=1)

    row = aws.ledger.row(certificate_id)
    assert row is not None
    assert row.common_name is None
