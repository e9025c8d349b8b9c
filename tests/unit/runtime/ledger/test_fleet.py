"""The fleet's size: every device counts once, whatever is repeated, raced or cut off."""

from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId, SerialNumber
from iot_jitr_runtime.ledger import ClaimLostError, Identity
from iot_jitr_runtime.ledger.fleet import Fleet
from iot_jitr_runtime.ledger.revocations import RevocationLedger
from iot_jitr_runtime.ledger.tasks import ScheduledTasks
from tests.support.account import make_ledger_table
from tests.support.faults import Crash, Fault, injected

CA = CaCertificateId("ca" * 32)


class Books:
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
def books(dynamodb: Any) -> Books:
    return Books(dynamodb)


def test_an_empty_ledger_has_no_fleet(books: Books) -> None:
    assert books.size() == 0


def test_devices_count_from_activation_to_revocation(books: Books) -> None:
    for number in range(20):
        books.activate(device(number))
    assert books.size() == 20
    books.revoke(device(3))
    assert books.size() == 19


def test_a_device_counts_once_however_often_it_is_activated_or_revoked(books: Books) -> None:
    for _ in range(3):
        books.activate(device(1))
    assert books.size() == 1
    for _ in range(3):
        books.revoke(device(1))
    assert books.size() == 0


@pytest.mark.parametrize("fault", list(Fault))
def test_a_count_that_is_cut_off_is_made_up_for_by_the_repetition(books: Books, fault: Fault) -> None:
    with injected(books.dynamodb, "TransactWriteItems", fault), suppress(Crash, Exception):
        books.activate(device(1))
    books.activate(device(1))

    assert books.size() == 1


def test_whoever_lost_the_claim_counts_nothing(books: Books) -> None:
    claim = books.ledger.acquire(device(1), now=1_000, expires_at=1_500)
    claim = books.ledger.record_activating(claim, Identity(CA, SerialNumber("1"), None), None)
    books.ledger.acquire(device(1), now=2_000, expires_at=2_500)

    with pytest.raises(ClaimLostError):
        books.ledger.record_activated(claim, policy_name="p", thing_name=None, now=1, look_again_at=2)
    assert books.size() == 0


def test_a_retired_device_counts_no_longer(books: Books) -> None:
    books.activate(device(1))
    tasks = ScheduledTasks(books.dynamodb, books.table)
    for _ in range(2):
        tasks.record_retired(device(1), now=1)

    assert books.size() == 0


def test_leaving_twice_or_never_having_come_changes_nothing(books: Books) -> None:
    books.activate(device(1))
    books.fleet.correct(device(2), active=False)
    books.fleet.correct(device(1), active=False)
    books.fleet.correct(device(1), active=False)

    assert books.size() == 0


def test_one_that_somebody_has_activated_again_counts_again(books: Books) -> None:
    books.activate(device(1))
    for active in (False, True, True):
        books.fleet.correct(device(1), active=active)

    assert books.size() == 1


def test_somebody_else_leaving_at_the_same_moment_counts_once(books: Books) -> None:
    books.activate(device(1))
    beside = Fleet(books.dynamodb, books.table)

    def overtake(**_: Any) -> None:
        books.dynamodb.meta.events.unregister("before-call.dynamodb.TransactWriteItems", overtake)
        beside.correct(device(1), active=False)

    books.dynamodb.meta.events.register_first("before-call.dynamodb.TransactWriteItems", overtake)
    books.fleet.correct(device(1), active=False)

    assert books.size() == 0


def count(books: Books) -> None:
    key = {"certificateId": {"S": device(1)}}
    update = {"TableName": books.table, "Key": key, "UpdateExpression": "REMOVE nothing"}
    books.fleet.write(update, CA, device(1), by=1)


def conflict(stub: Stubber, *codes: str) -> None:
    stub.add_client_error(
        "transact_write_items",
        "TransactionCanceledException",
        modeled_fields={"CancellationReasons": [{"Code": code} for code in codes]},
    )


def test_a_conflict_is_tried_again(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with Stubber(books.dynamodb) as stub:
        conflict(stub, "None", "TransactionConflict")
        stub.add_response("transact_write_items", {})
        count(books)
        stub.assert_no_pending_responses()


def test_conflicts_without_end_fly(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with Stubber(books.dynamodb) as stub:
        for _ in range(5):
            conflict(stub, "None", "TransactionConflict")
        with pytest.raises(ClientError):
            count(books)


def test_any_other_refusal_flies_at_once(books: Books) -> None:
    with Stubber(books.dynamodb) as stub:
        conflict(stub, "None", "ValidationError")
        with pytest.raises(ClientError):
            count(books)
