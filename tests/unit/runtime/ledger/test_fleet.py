"""The fleet's size: every device counts once, whatever is repeated, concurrent or interrupted."""

from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from iot_jitr_runtime.dynamodb import Update
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId, SerialNumber
from iot_jitr_runtime.ledger import Identity, LeaseLostError
from iot_jitr_runtime.ledger.fleet import Fleet
from iot_jitr_runtime.ledger.revocations import RevocationLedger
from iot_jitr_runtime.ledger.tasks import ScheduledTasks
from tests.support.account import make_ledger_table
from tests.support.faults import Crash, Fault, injected

CA = CaCertificateId("ca" * 32)


class LedgerAndFleet:
    """A ledger and its fleet."""

    def __init__(self, dynamodb: Any) -> None:
        self.dynamodb = dynamodb
        self.table = make_ledger_table(dynamodb)
        self.ledger = RevocationLedger(dynamodb, self.table)
        self.fleet = Fleet(dynamodb, self.table)
        self.now = 1_000

    def activate(self, certificate_id: CertificateId) -> None:
        self.now += 1_000
        claim = self.ledger.acquire(certificate_id, now=self.now, expires_at=self.now + 500)
        identity = Identity(CA, SerialNumber(certificate_id[:8]), "device")
        claim = self.ledger.record_activating(claim, identity, "v1")
        self.ledger.record_activated(claim, policy_name="p", thing_name=None, now=1, look_again_at=2)

    def revoke(self, certificate_id: CertificateId) -> None:
        self.now += 1_000
        claim = self.ledger.acquire(certificate_id, now=self.now, expires_at=self.now + 500)
        self.ledger.record_revoked(claim, detail="", index_version="v2", now=1)

    def size(self) -> int:
        return self.fleet.size(CA)


def device(number: int) -> CertificateId:
    return CertificateId(f"{number:064x}"[::-1])


@pytest.fixture(scope="module")
def dynamodb() -> Any:
    from moto import mock_aws

    from tests.support.aws_clients import aws_client

    with mock_aws():
        yield aws_client("dynamodb")


@pytest.fixture
def ledger_and_fleet(dynamodb: Any) -> LedgerAndFleet:
    return LedgerAndFleet(dynamodb)


def test_an_empty_ledger_has_no_fleet(ledger_and_fleet: LedgerAndFleet) -> None:
    assert ledger_and_fleet.size() == 0


def test_devices_count_from_activation_to_revocation(ledger_and_fleet: LedgerAndFleet) -> None:
    for number in range(20):
        ledger_and_fleet.activate(device(number))
    assert ledger_and_fleet.size() == 20
    ledger_and_fleet.revoke(device(3))
    assert ledger_and_fleet.size() == 19


def test_a_device_counts_once_however_often_it_is_activated_or_revoked(
    ledger_and_fleet: LedgerAndFleet,
) -> None:
    for _ in range(3):
        ledger_and_fleet.activate(device(1))
    assert ledger_and_fleet.size() == 1
    for _ in range(3):
        ledger_and_fleet.revoke(device(1))
    assert ledger_and_fleet.size() == 0


@pytest.mark.parametrize("fault", list(Fault))
def test_an_interrupted_count_is_completed_by_the_repetition(
    ledger_and_fleet: LedgerAndFleet, fault: Fault
) -> None:
    with injected(ledger_and_fleet.dynamodb, "TransactWriteItems", fault), suppress(Crash, Exception):
        ledger_and_fleet.activate(device(1))
    ledger_and_fleet.activate(device(1))

    assert ledger_and_fleet.size() == 1


def test_a_lost_claim_counts_nothing(ledger_and_fleet: LedgerAndFleet) -> None:
    claim = ledger_and_fleet.ledger.acquire(device(1), now=1_000, expires_at=1_500)
    claim = ledger_and_fleet.ledger.record_activating(claim, Identity(CA, SerialNumber("1"), None), None)
    ledger_and_fleet.ledger.acquire(device(1), now=2_000, expires_at=2_500)

    with pytest.raises(LeaseLostError):
        ledger_and_fleet.ledger.record_activated(
            claim, policy_name="p", thing_name=None, now=1, look_again_at=2
        )
    assert ledger_and_fleet.size() == 0


def test_a_retired_device_does_not_count(ledger_and_fleet: LedgerAndFleet) -> None:
    ledger_and_fleet.activate(device(1))
    tasks = ScheduledTasks(ledger_and_fleet.dynamodb, ledger_and_fleet.table)
    for _ in range(2):
        tasks.record_retired(device(1), now=1)

    assert ledger_and_fleet.size() == 0


def test_leaving_twice_or_without_having_joined_changes_nothing(ledger_and_fleet: LedgerAndFleet) -> None:
    ledger_and_fleet.activate(device(1))
    ledger_and_fleet.fleet.correct(device(2), active=False)
    ledger_and_fleet.fleet.correct(device(1), active=False)
    ledger_and_fleet.fleet.correct(device(1), active=False)

    assert ledger_and_fleet.size() == 0


def test_one_that_somebody_has_activated_again_counts_again(ledger_and_fleet: LedgerAndFleet) -> None:
    ledger_and_fleet.activate(device(1))
    for active in (False, True, True):
        ledger_and_fleet.fleet.correct(device(1), active=active)

    assert ledger_and_fleet.size() == 1


def test_two_workers_that_remove_a_device_at_once_count_once(ledger_and_fleet: LedgerAndFleet) -> None:
    ledger_and_fleet.activate(device(1))
    beside = Fleet(ledger_and_fleet.dynamodb, ledger_and_fleet.table)

    def overtake(**_: Any) -> None:
        ledger_and_fleet.dynamodb.meta.events.unregister("before-call.dynamodb.TransactWriteItems", overtake)
        beside.correct(device(1), active=False)

    ledger_and_fleet.dynamodb.meta.events.register_first("before-call.dynamodb.TransactWriteItems", overtake)
    ledger_and_fleet.fleet.correct(device(1), active=False)

    assert ledger_and_fleet.size() == 0


def count(ledger_and_fleet: LedgerAndFleet) -> None:
    ledger_and_fleet.fleet.write(Update(device(1)), CA, joins=True)


def conflict(stub: Stubber, *codes: str) -> None:
    stub.add_client_error(
        "transact_write_items",
        "TransactionCanceledException",
        modeled_fields={"CancellationReasons": [{"Code": code} for code in codes]},
    )


def test_a_conflict_is_tried_again(ledger_and_fleet: LedgerAndFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with Stubber(ledger_and_fleet.dynamodb) as stub:
        conflict(stub, "None", "TransactionConflict")
        stub.add_response("transact_write_items", {})
        count(ledger_and_fleet)
        stub.assert_no_pending_responses()


def test_conflicts_without_end_propagate(
    ledger_and_fleet: LedgerAndFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with Stubber(ledger_and_fleet.dynamodb) as stub:
        for _ in range(5):
            conflict(stub, "None", "TransactionConflict")
        with pytest.raises(ClientError):
            count(ledger_and_fleet)


def test_any_other_error_propagates_at_once(ledger_and_fleet: LedgerAndFleet) -> None:
    with Stubber(ledger_and_fleet.dynamodb) as stub:
        conflict(stub, "None", "ValidationError")
        with pytest.raises(ClientError):
            count(ledger_and_fleet)
