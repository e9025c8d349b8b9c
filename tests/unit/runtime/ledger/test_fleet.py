"""The fleet's size: every device counts once, also after repeated, concurrent or interrupted calls."""

from contextlib import nullcontext, suppress

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from iot_jitr_runtime.dynamodb import Update
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId, SerialNumber
from iot_jitr_runtime.ledger import Identity, LeaseLostError
from iot_jitr_runtime.ledger.revocations import RevocationLedger
from tests.support.account import Account
from tests.support.faults import Crash, Fault, injected, meanwhile

CA = CaCertificateId("ca" * 32)
LATER = {"now": 1, "valid_until": 2}


class LedgerAndTime(RevocationLedger):
    """A ledger in which each claim is acquired after the former one has expired."""

    now = 1_000

    def activate(self, certificate_id: CertificateId) -> None:
        self.now += 1_000
        claim = self.acquire(certificate_id, now=self.now, expires_at=self.now + 500)
        identity = Identity(CA, SerialNumber(certificate_id[:8]), "device")
        claim = self.record_activating(claim, identity, "v1")
        self.record_activated(claim, policy_name="p", thing_name=None, **LATER)

    def revoke(self, certificate_id: CertificateId) -> None:
        self.now += 1_000
        claim = self.acquire(certificate_id, now=self.now, expires_at=self.now + 500)
        self.record_revoked(claim, detail="", index_version="v2", now=1)

    def size(self) -> int:
        return self.fleet.size(CA)


def device(number: int) -> CertificateId:
    return CertificateId(f"{number:064x}"[::-1])


@pytest.fixture
def ledger(aws: Account) -> LedgerAndTime:
    return LedgerAndTime(aws.dynamodb, aws.table)


def test_devices_count_from_activation_to_revocation(ledger: LedgerAndTime) -> None:
    assert ledger.size() == 0
    for number in range(20):
        ledger.activate(device(number))
    assert ledger.size() == 20
    ledger.revoke(device(3))
    assert ledger.size() == 19


def test_a_device_counts_once_however_often_it_is_activated_or_revoked(ledger: LedgerAndTime) -> None:
    for _ in range(3):
        ledger.activate(device(1))
    assert ledger.size() == 1
    for _ in range(3):
        ledger.revoke(device(1))
    assert ledger.size() == 0


@pytest.mark.parametrize("fault", list(Fault))
def test_an_interrupted_count_is_completed_by_the_repetition(
    aws: Account, ledger: LedgerAndTime, fault: Fault
) -> None:
    with injected(aws.dynamodb, "TransactWriteItems", fault), suppress(Crash, Exception):
        ledger.activate(device(1))
    ledger.activate(device(1))

    assert ledger.size() == 1


def test_a_worker_that_lost_its_claim_changes_no_count(ledger: LedgerAndTime) -> None:
    claim = ledger.acquire(device(1), now=1_000, expires_at=1_500)
    claim = ledger.record_activating(claim, Identity(CA, SerialNumber("1"), None), None)
    ledger.acquire(device(1), now=2_000, expires_at=2_500)

    with pytest.raises(LeaseLostError):
        ledger.record_activated(claim, policy_name="p", thing_name=None, **LATER)
    assert ledger.size() == 0


def test_a_retired_device_does_not_count(ledger: LedgerAndTime) -> None:
    ledger.activate(device(1))
    for _ in range(2):
        ledger.record_retired(device(1), now=1)

    assert ledger.size() == 0


@pytest.mark.parametrize(("corrections", "size"), [([False, False], 0), ([False, True, True], 1)])
def test_a_repeated_correction_changes_the_count_once(
    ledger: LedgerAndTime, corrections: list[bool], size: int
) -> None:
    ledger.activate(device(1))
    ledger.fleet.correct(device(2), active=False)
    for active in corrections:
        ledger.fleet.correct(device(1), active=active)

    assert ledger.size() == size


def test_two_workers_that_remove_a_device_at_once_count_once(aws: Account, ledger: LedgerAndTime) -> None:
    ledger.activate(device(1))

    def correct() -> None:
        ledger.fleet.correct(device(1), active=False)

    with meanwhile(aws.dynamodb, "TransactWriteItems", correct):
        correct()

    assert ledger.size() == 0


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        (["TransactionConflict", None], None),
        (["TransactionConflict"] * 5, ClientError),
        (["ValidationError"], ClientError),
    ],
    ids=["a conflict is tried again", "conflicts without end propagate", "another error propagates at once"],
)
def test_a_conflict_with_another_worker_is_tried_again(
    aws: Account,
    ledger: LedgerAndTime,
    monkeypatch: pytest.MonkeyPatch,
    answers: list[str | None],
    error: type[Exception] | None,
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with Stubber(aws.dynamodb) as stub:
        for code in answers:
            if code is None:
                stub.add_response("transact_write_items", {})
            else:
                reasons = {"CancellationReasons": [{"Code": "None"}, {"Code": code}]}
                stub.add_client_error(
                    "transact_write_items", "TransactionCanceledException", modeled_fields=reasons
                )
        with pytest.raises(error) if error else nullcontext():
            ledger.fleet.write(Update(device(1)), CA, joins=True)
        stub.assert_no_pending_responses()
