"""The row that each decision writes into the ledger; tests compare the whole row."""

from dataclasses import replace
from typing import Any

import pytest

from iot_jitr_runtime.dynamodb import Update
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId, SerialNumber
from iot_jitr_runtime.ledger import Claim, Identity, LeaseLostError, Row, State
from iot_jitr_runtime.ledger.revocations import RevocationLedger
from iot_jitr_runtime.outcomes import Reason, Verdict
from iot_jitr_runtime.reconciler.backfill import Backfill
from tests.support.account import Account

CERTIFICATE = CertificateId("c" * 64)
CA = CaCertificateId("ca" * 32)
IDENTITY = Identity(CA, SerialNumber("abc"), "sensor-1")
IDENTIFIED: dict[str, Any] = {
    "ca_certificate_id": CA,
    "serial_number": IDENTITY.serial_number,
    "common_name": IDENTITY.common_name,
}
SEEN: dict[str, Any] = {"first_seen_at": 900}
EXPIRED = Verdict(Reason.EXPIRED, "since Monday")


def claim(aws: Account, at: int = 900, message: str = "m") -> Claim:
    return aws.ledger.claim(CERTIFICATE, sent_at=at, message_id=message, now=at + 100, expires_at=at + 200)


@pytest.fixture
def claimed(aws: Account) -> Claim:
    """A claim on a deferred row without an identity; the row has an expiry."""
    throttled = Verdict(Reason.THROTTLED, "slow")
    aws.ledger.record_deferred(claim(aws), throttled, message_id="m", now=2_000, valid_until=3_000)
    aws.ledger.record_stale(claim(aws), None, active=False, message_id="m", now=2_500, valid_until=3_000)
    return claim(aws)


def row(aws: Account) -> Row:
    """The row without its count of claims, which differs between tests."""
    found = aws.row(CERTIFICATE)
    assert found.attempts > 0
    return replace(found, attempts=0)


def is_claimed(aws: Account) -> bool:
    item = aws.ledger.items.get(CERTIFICATE) or {}
    assert ("leaseToken" in item) is ("leaseExpiresAt" in item)
    return "leaseToken" in item


@pytest.mark.parametrize(("identity", "identified"), [(IDENTITY, IDENTIFIED), (None, {})])
def test_record_refusing_and_record_refused_write_the_refusal(
    aws: Account, claimed: Claim, identity: Identity | None, identified: dict[str, Any]
) -> None:
    refused = {"detail": "since Monday", "decided_at": 4_000, **identified, **SEEN}
    aws.ledger.record_refusing(claimed, EXPIRED, identity, status="revoked", now=4_000)

    # About to change the status of the certificate.
    assert row(aws) == Row(
        CERTIFICATE,
        State.REFUSED,
        Reason.EXPIRED,
        refusal_status="revoked",
        valid_until=3_000,
        waiting_message_id="m",
        lease_expires_at=1_100,
        **refused,
    )

    aws.ledger.record_refused(claimed, EXPIRED, identity, now=4_000, valid_until=5_000)

    assert row(aws) == Row(
        CERTIFICATE, State.REFUSED, Reason.EXPIRED, refusal_status="revoked", valid_until=5_000, **refused
    )
    assert not is_claimed(aws)


def test_record_refused_writes_an_immediate_refusal(aws: Account, claimed: Claim) -> None:
    long = Verdict(Reason.EXPIRED, "x" * 10_000)

    aws.ledger.record_refused(claimed, long, IDENTITY, now=4_000, valid_until=5_000)

    assert row(aws) == Row(
        CERTIFICATE,
        State.REFUSED,
        Reason.EXPIRED,
        "x" * 500,
        decided_at=4_000,
        valid_until=5_000,
        **IDENTIFIED,
        **SEEN,
    )
    assert not is_claimed(aws)


def test_record_deferred_writes_the_deferral(aws: Account, claimed: Claim) -> None:
    verdict = Verdict(Reason.CRL_STALE, "since noon")

    aws.ledger.record_deferred(claimed, verdict, message_id="n", now=4_000, valid_until=5_000)

    assert row(aws) == Row(
        CERTIFICATE,
        State.DEFERRED,
        Reason.CRL_STALE,
        "since noon",
        decided_at=4_000,
        valid_until=5_000,
        waiting_message_id="n",
        **SEEN,
    )
    assert not is_claimed(aws)


def test_record_activating_and_record_activated_write_the_activation(aws: Account, claimed: Claim) -> None:
    aws.ledger.record_refusing(claimed, EXPIRED, IDENTITY, status="inactive", now=4_000)

    activating = aws.ledger.record_activating(claimed, IDENTITY, "v1")

    assert row(aws) == Row(
        CERTIFICATE, State.ACTIVATING, index_version="v1", lease_expires_at=1_100, **IDENTIFIED, **SEEN
    )
    assert activating.row == aws.ledger.row(CERTIFICATE)
    assert RevocationLedger(aws.dynamodb, aws.table).find(CA, IDENTITY.serial_number) == [CERTIFICATE]

    aws.ledger.record_activated(
        activating, policy_name="policy", thing_name="thing", now=4_000, valid_until=5_000
    )

    assert row(aws) == Row(
        CERTIFICATE,
        State.ACTIVATED,
        index_version="v1",
        policy_name="policy",
        thing_name="thing",
        decided_at=4_000,
        valid_until=5_000,
        in_fleet=True,
        **IDENTIFIED,
        **SEEN,
    )
    assert not is_claimed(aws)


@pytest.mark.parametrize(
    ("state", "superseded_by", "expected"),
    [
        (State.ACTIVATED, "d" * 64, (State.RETIRED, 6_000)),
        (State.REVOKED, "d" * 64, (State.REVOKED, 4_000)),
        (State.ACTIVATED, None, (State.ACTIVATED, 4_000)),
    ],
    ids=["replaced", "revoked meanwhile", "not replaced"],
)
def test_record_retired_writes_the_retirement(
    aws: Account, claimed: Claim, state: State, superseded_by: str | None, expected: tuple[State, int]
) -> None:
    activating = aws.ledger.record_activating(claimed, IDENTITY, None)
    aws.ledger.record_activated(activating, policy_name="p", thing_name=None, now=4_000, valid_until=5_000)
    aws.ledger.items.update(Update(CERTIFICATE, {"state": state, "supersededBy": superseded_by}))

    aws.ledger.record_retired(CERTIFICATE, now=6_000)

    assert (row(aws).state, row(aws).decided_at) == expected
    assert aws.ledger.fleet.size(CA) == 0


# Nothing to decide.


def put_state(aws: Account, state: State) -> Claim:
    """Give the row a state and the reason of an earlier deferral; claim it."""
    aws.ledger.items.update(Update(CERTIFICATE, {"state": state, "reason": "throttled", "detail": "slow"}))
    return claim(aws)


@pytest.mark.parametrize(
    "state", [State.ACTIVATING, State.ACTIVATED, State.SUSPENDED, State.REVOKED, State.REFUSED]
)
def test_a_deferral_replaces_a_refusal_and_keeps_a_state_that_was_begun_or_lasts(
    aws: Account, state: State
) -> None:
    verdict = Verdict(Reason.CRL_MISSING)

    aws.ledger.record_deferred(put_state(aws, state), verdict, message_id="m", now=1, valid_until=2)

    deferred = State.DEFERRED if state is State.REFUSED else state
    assert (row(aws).state, row(aws).reason, row(aws).detail) == (deferred, Reason.CRL_MISSING, "")


@pytest.mark.parametrize("kept", [State.ACTIVATED, State.SUSPENDED, State.REVOKED, State.KNOWN])
def test_finding_a_certificate_decided_leaves_a_lasting_state(aws: Account, kept: State) -> None:
    found = put_state(aws, kept)

    aws.ledger.record_stale(found, IDENTITY, active=False, message_id="m", now=1, valid_until=2)

    assert row(aws).state is kept


@pytest.mark.parametrize("replaced", [State.ACTIVATING, State.REFUSED, State.DEFERRED])
def test_a_certificate_decided_by_another_caller_is_recorded(aws: Account, replaced: State) -> None:
    found = put_state(aws, replaced)

    aws.ledger.record_stale(found, IDENTITY, active=False, message_id="m", now=1, valid_until=2)

    assert row(aws) == Row(
        CERTIFICATE,
        State.KNOWN,
        decided_at=1,
        valid_until=2,
        waiting_message_id="m",
        **IDENTIFIED,
        **SEEN,
    )
    assert not is_claimed(aws)


def test_the_row_does_not_expire_after_a_decision_of_another_caller(aws: Account, claimed: Claim) -> None:
    aws.ledger.record_stale(claimed, IDENTITY, active=False, message_id="m", now=4_000, valid_until=5_000)

    assert (row(aws).state, row(aws).expires_at) == (State.KNOWN, 0)


@pytest.mark.parametrize("active", [True, False])
def test_a_certificate_recorded_as_active_counts_as_in_service_once(aws: Account, *, active: bool) -> None:
    for _ in range(2):
        aws.ledger.record_stale(claim(aws), IDENTITY, active=active, message_id="m", now=1, valid_until=2)

    assert aws.ledger.fleet.size(CA) == active


def test_a_certificate_recorded_since_it_was_claimed_is_not_counted_twice(aws: Account) -> None:
    claimed = claim(aws)
    none: Any = None
    backfill = Backfill(none, aws.ledger, revocation=none)
    backfill.record(CERTIFICATE, IDENTITY, active=True)

    with pytest.raises(LeaseLostError):
        aws.ledger.record_stale(claimed, IDENTITY, active=True, message_id="m", now=1, valid_until=2)

    assert aws.ledger.fleet.size(CA) == 1


def test_a_row_of_a_missing_certificate_expires_after_a_day(aws: Account) -> None:
    aws.ledger.record_stale(claim(aws), None, active=False, message_id="m", now=5_000, valid_until=6_000)

    assert row(aws) == Row(
        CERTIFICATE, valid_until=6_000, waiting_message_id="m", expires_at=5 + 86_400, **SEEN
    )
    assert not is_claimed(aws)


def test_a_certificate_in_a_lasting_state_that_is_gone_does_not_expire(aws: Account, claimed: Claim) -> None:
    activating = aws.ledger.record_activating(claimed, IDENTITY, None)
    aws.ledger.record_activated(activating, policy_name="p", thing_name=None, now=4_000, valid_until=5_000)

    again = claim(aws, 6_000, "n")
    aws.ledger.record_stale(again, None, active=False, message_id="n", now=6_500, valid_until=8_000)

    assert (row(aws).state, row(aws).expires_at) == (State.ACTIVATED, 0)
    assert not is_claimed(aws)


def test_a_deleted_refused_certificate_keeps_its_row_and_serial_number(aws: Account, claimed: Claim) -> None:
    aws.ledger.record_refused(claimed, EXPIRED, IDENTITY, now=4_000, valid_until=5_000)

    again = claim(aws, 6_000, "n")
    aws.ledger.record_stale(again, None, active=False, message_id="n", now=6_500, valid_until=8_000)

    assert (row(aws).state, row(aws).serial_number) == (State.REFUSED, IDENTITY.serial_number)
    assert row(aws).expires_at == 0


def test_the_slot_of_a_deleted_certificate_is_cleared(aws: Account, claimed: Claim) -> None:
    waiting = Verdict(Reason.RATE_LIMITED, "in a while")
    aws.ledger.record_deferred(claimed, waiting, message_id="m", now=4_000, valid_until=5_000)

    aws.ledger.record_stale(claim(aws), None, active=False, message_id="m", now=6_000, valid_until=7_000)

    assert (row(aws).reason, row(aws).detail) == (None, "")
    assert not is_claimed(aws)
