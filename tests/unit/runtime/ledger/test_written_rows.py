"""What each decision leaves in the ledger's table: the whole row, so that nothing is written amiss."""

from typing import Any

import pytest

from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId, SerialNumber
from iot_jitr_runtime.ledger import Claim, Identity, Row, State
from iot_jitr_runtime.outcomes import Reason, Verdict
from tests.support.account import Account

CERTIFICATE = CertificateId("c" * 64)
IDENTITY = Identity(CaCertificateId("ca" * 32), SerialNumber("abc"), "sensor-1")
IDENTIFIED: dict[str, Any] = {
    "ca_certificate_id": IDENTITY.ca_certificate_id,
    "serial_number": IDENTITY.serial_number,
    "common_name": IDENTITY.common_name,
}
SEEN: dict[str, Any] = {"first_seen_at": 900}
EXPIRED = Verdict(Reason.EXPIRED, "since Monday")


def claim(aws: Account) -> Claim:
    return aws.ledger.claim(CERTIFICATE, sent_at=900, message_id="m", now=1_000, expires_at=1_100)


@pytest.fixture
def claimed(aws: Account) -> Claim:
    """A claim on a row that was deferred, and of which nothing was known: it was to expire."""
    first = claim(aws)
    aws.ledger.record_deferred(
        first, Verdict(Reason.THROTTLED, "slow"), message_id="m", now=2_000, look_again_at=3_000
    )
    aws.ledger.record_stale(claim(aws), None, active=False, message_id="m", now=2_500, look_again_at=3_000)
    return claim(aws)


def row(aws: Account) -> Row:
    """The row, but for the count of claims on it, which every test here makes its own."""
    found = aws.ledger.row(CERTIFICATE)
    assert found is not None
    assert found.attempts > 0
    return Row(**{**{name: getattr(found, name) for name in Row.__slots__}, "attempts": 0})


def attributes(aws: Account) -> set[str]:
    return set(aws.dynamodb.get_item(TableName=aws.table, Key={"certificateId": {"S": CERTIFICATE}})["Item"])


@pytest.mark.parametrize(("identity", "identified"), [(IDENTITY, IDENTIFIED), (None, {})])
def test_a_refusal(
    aws: Account, claimed: Claim, identity: Identity | None, identified: dict[str, Any]
) -> None:
    aws.ledger.record_refused(claimed, EXPIRED, identity, now=4_000, look_again_at=5_000)

    assert row(aws) == Row(
        CERTIFICATE,
        State.REFUSED,
        Reason.EXPIRED,
        "since Monday",
        decided_at=4_000,
        look_again_at=5_000,
        **identified,
        **SEEN,
    )
    assert not attributes(aws) & {"leaseToken", "leaseExpiresAt", "expiresAt"}


@pytest.mark.parametrize(("identity", "identified"), [(IDENTITY, IDENTIFIED), (None, {})])
def test_a_refusal_that_is_about_to_change_the_status(
    aws: Account, claimed: Claim, identity: Identity | None, identified: dict[str, Any]
) -> None:
    aws.ledger.record_refusing(claimed, EXPIRED, identity, status="revoked", now=4_000)

    assert row(aws) == Row(
        CERTIFICATE,
        State.REFUSED,
        Reason.EXPIRED,
        "since Monday",
        refusal_status="revoked",
        decided_at=4_000,
        look_again_at=3_000,
        waiting_message_id="m",
        lease_expires_at=1_100,
        **identified,
        **SEEN,
    )
    assert "expiresAt" not in attributes(aws)


def test_a_deferral(aws: Account, claimed: Claim) -> None:
    verdict = Verdict(Reason.CRL_STALE, "since noon")

    aws.ledger.record_deferred(claimed, verdict, message_id="n", now=4_000, look_again_at=5_000)

    assert row(aws) == Row(
        CERTIFICATE,
        State.DEFERRED,
        Reason.CRL_STALE,
        "since noon",
        decided_at=4_000,
        look_again_at=5_000,
        waiting_message_id="n",
        **SEEN,
    )
    assert not attributes(aws) & {"leaseToken", "leaseExpiresAt", "expiresAt"}


def test_a_deferral_of_a_refused_certificate_is_no_refusal_any_more(aws: Account, claimed: Claim) -> None:
    aws.ledger.record_refused(claimed, EXPIRED, IDENTITY, now=4_000, look_again_at=5_000)
    again = aws.ledger.claim(CERTIFICATE, sent_at=6_000, message_id="n", now=6_000, expires_at=7_000)

    aws.ledger.record_deferred(
        again, Verdict(Reason.THROTTLED), message_id="n", now=6_500, look_again_at=8_000
    )

    assert (row(aws).state, row(aws).reason, row(aws).detail) == (State.DEFERRED, Reason.THROTTLED, "")


def test_an_activation(aws: Account, claimed: Claim) -> None:
    aws.ledger.record_refusing(claimed, EXPIRED, IDENTITY, status="inactive", now=4_000)

    activating = aws.ledger.record_activating(claimed, IDENTITY, "v1")

    assert activating.row.state is State.ACTIVATING
    assert row(aws) == Row(
        CERTIFICATE, State.ACTIVATING, index_version="v1", lease_expires_at=1_100, **IDENTIFIED, **SEEN
    )
    assert "expiresAt" not in attributes(aws)

    aws.ledger.record_activated(
        activating, policy_name="policy", thing_name="thing", now=4_000, look_again_at=5_000
    )

    assert row(aws) == Row(
        CERTIFICATE,
        State.ACTIVATED,
        index_version="v1",
        policy_name="policy",
        thing_name="thing",
        decided_at=4_000,
        look_again_at=5_000,
        in_fleet=True,
        **IDENTIFIED,
        **SEEN,
    )
    assert not attributes(aws) & {"leaseToken", "leaseExpiresAt"}


def test_a_settled_certificate_that_is_gone_does_not_expire(aws: Account, claimed: Claim) -> None:
    activating = aws.ledger.record_activating(claimed, IDENTITY, None)
    aws.ledger.record_activated(activating, policy_name="p", thing_name=None, now=4_000, look_again_at=5_000)
    again = aws.ledger.claim(CERTIFICATE, sent_at=6_000, message_id="n", now=6_000, expires_at=7_000)

    aws.ledger.record_stale(again, None, active=False, message_id="n", now=6_500, look_again_at=8_000)

    assert row(aws).state is State.ACTIVATED
    assert not attributes(aws) & {"leaseToken", "expiresAt"}


def test_a_refused_certificate_that_is_gone_stays_with_its_serial_number(
    aws: Account, claimed: Claim
) -> None:
    aws.ledger.record_refused(claimed, EXPIRED, IDENTITY, now=4_000, look_again_at=5_000)
    again = aws.ledger.claim(CERTIFICATE, sent_at=6_000, message_id="n", now=6_000, expires_at=7_000)

    aws.ledger.record_stale(again, None, active=False, message_id="n", now=6_500, look_again_at=8_000)

    assert (row(aws).state, row(aws).serial_number) == (State.REFUSED, IDENTITY.serial_number)
    assert not attributes(aws) & {"leaseToken", "expiresAt"}


def test_a_slot_of_a_certificate_that_is_gone_ends_with_its_claim(aws: Account, claimed: Claim) -> None:
    waiting = Verdict(Reason.RATE_LIMITED, "in a while")
    aws.ledger.record_deferred(claimed, waiting, message_id="m", now=4_000, look_again_at=5_000)

    aws.ledger.record_stale(claim(aws), None, active=False, message_id="m", now=6_000, look_again_at=7_000)

    assert (row(aws).reason, row(aws).detail) == (None, "")
    assert not attributes(aws) & {"leaseToken", "leaseExpiresAt"}
