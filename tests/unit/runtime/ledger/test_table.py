"""Claims on rows, and reads of the ledger, against DynamoDB's own conditions (moto)."""

from collections.abc import Callable

import boto3
import pytest

from iot_jitr_runtime.dynamodb import Update
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId, SerialNumber
from iot_jitr_runtime.ledger import Claim, Identity, LeaseLostError, Ledger, Row, State
from iot_jitr_runtime.outcomes import DeferredError, Reason, StaleError, Verdict
from tests.support.account import Account
from tests.support.aws_clients import REGION
from tests.support.faults import Fault, injected

CERTIFICATE = CertificateId("c" * 64)
IDENTITY = Identity(CaCertificateId("ca" * 32), SerialNumber("abc"), "sensor-1")
EXPIRED = Verdict(Reason.EXPIRED)
NOW = 1_800_000_000_000
CLAIMED = r"^another worker has claimed it$"


def claim(aws: Account, *, now: int = 1_000, sent_at: int | None = None, message: str = "m1") -> Claim:
    sent = now if sent_at is None else sent_at
    return aws.ledger.claim(CERTIFICATE, sent_at=sent, message_id=message, now=now, expires_at=now + 100)


def put(aws: Account, state: str, **others: str) -> None:
    aws.ledger.items.update(Update(CERTIFICATE, {"state": state, **others}))


def row(aws: Account) -> Row:
    return aws.row(CERTIFICATE)


def test_a_certificate_without_events_has_no_row(aws: Account) -> None:
    assert aws.ledger.row(CERTIFICATE) is None
    assert aws.ledger.rows([CERTIFICATE]) == {}


def test_a_claim_excludes_other_workers_until_it_expires(aws: Account) -> None:
    claim(aws, now=1_000)

    with pytest.raises(DeferredError, match=CLAIMED):
        claim(aws, now=1_050)
    later = claim(aws, now=1_101).row
    assert (later.attempts, later.first_seen_at) == (2, 1_000)


def test_a_claim_whose_answer_was_lost_succeeds_when_the_call_is_repeated(aws: Account) -> None:
    retrying = boto3.client(
        "dynamodb", region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test"
    )
    ledger = Ledger(retrying, aws.table)
    with injected(retrying, "UpdateItem", Fault.SERVER_ERROR):
        taken = ledger.claim(CERTIFICATE, sent_at=1, message_id="m", now=1, expires_at=2)
    assert taken.row.certificate_id == CERTIFICATE


LATER = {"now": 1, "valid_until": 2}


@pytest.mark.parametrize(
    "write",
    [
        lambda ledger, lost: ledger.record_activating(lost, IDENTITY, None),
        lambda ledger, lost: ledger.record_activated(lost, policy_name="p", thing_name=None, **LATER),
        lambda ledger, lost: ledger.record_refusing(lost, EXPIRED, IDENTITY, status="revoked", now=1),
        lambda ledger, lost: ledger.record_refused(lost, EXPIRED, IDENTITY, **LATER),
        lambda ledger, lost: ledger.record_stale(lost, None, active=False, message_id="m", **LATER),
        lambda ledger, lost: ledger.record_deferred(lost, EXPIRED, message_id="m", **LATER),
    ],
    ids=["activating", "activated", "refusing", "refused", "stale", "deferred"],
)
def test_a_worker_that_lost_its_claim_can_write_nothing(
    aws: Account, write: Callable[[Ledger, Claim], object]
) -> None:
    lost = claim(aws, now=1_000)
    claim(aws, now=2_000)

    with pytest.raises(LeaseLostError, match=CERTIFICATE):
        write(aws.ledger, lost)


def test_an_event_older_than_the_decision_cannot_claim(aws: Account) -> None:
    aws.ledger.record_activated(claim(aws), policy_name="p", thing_name=None, now=2_000, valid_until=7_000)

    with pytest.raises(StaleError, match=r"^activated already$"):
        claim(aws, now=6_000, sent_at=7_000)
    assert claim(aws, now=8_000, sent_at=7_001).row.state is State.ACTIVATED


def test_the_message_that_a_deferral_waits_for_may_claim_early(aws: Account) -> None:
    throttled = Verdict(Reason.THROTTLED)
    aws.ledger.record_deferred(claim(aws), throttled, message_id="waiting", now=1_000, valid_until=9_000)

    with pytest.raises(StaleError):
        claim(aws, now=2_000, message="other")
    assert claim(aws, now=2_000, message="waiting").row.reason is Reason.THROTTLED


# Waiting for a slot of the rate limiter.


def wait(aws: Account, state: State | None = None, *, message_id: str = "m") -> None:
    """Record that the certificate waits, as a worker that has read its row with this state."""
    read = Row(CERTIFICATE, state)
    aws.ledger.record_rate_limited(read, slot=NOW + 9, sent_at=NOW - 5, message_id=message_id, now=NOW)


def test_the_row_has_the_slot_and_the_waiting_message(aws: Account) -> None:
    for _ in range(2):
        wait(aws)

    assert row(aws) == Row(
        CERTIFICATE,
        State.DEFERRED,
        Reason.RATE_LIMITED,
        first_seen_at=NOW - 5,
        decided_at=NOW,
        valid_until=NOW + 9,
        waiting_message_id="m",
    )
    with pytest.raises(StaleError, match=r"^deferred already$"):
        wait(aws, message_id="another message")


def test_a_certificate_that_is_registered_again_keeps_its_slot(aws: Account) -> None:
    """DynamoDB deletes the row of a certificate that did not exist, unless it is pending again by then."""
    aws.ledger.record_stale(
        claim(aws), None, active=False, message_id="deleted", now=1_000, valid_until=2_000
    )
    assert row(aws).expires_at

    wait(aws)

    assert not row(aws).expires_at


def test_an_event_covered_by_a_concurrent_decision_does_not_wait(
    aws: Account,
) -> None:
    refused = aws.ledger.claim(CERTIFICATE, sent_at=NOW - 9, message_id="n", now=NOW, expires_at=NOW + 1000)
    aws.ledger.record_refused(refused, EXPIRED, None, now=NOW, valid_until=NOW + 60_000)

    with pytest.raises(StaleError, match=r"^refused already$"):
        wait(aws, State.REFUSED)

    assert (row(aws).reason, row(aws).valid_until) == (Reason.EXPIRED, NOW + 60_000)


def test_a_certificate_that_another_worker_has_claimed_does_not_wait(aws: Account) -> None:
    aws.ledger.claim(CERTIFICATE, sent_at=NOW, message_id="n", now=NOW, expires_at=NOW + 1000)

    with pytest.raises(DeferredError, match=CLAIMED) as deferred:
        wait(aws)

    assert deferred.value.reason is Reason.CLAIMED_ELSEWHERE


def test_a_state_that_changed_concurrently_is_not_overwritten(aws: Account) -> None:
    put(aws, State.ACTIVATED)

    with pytest.raises(DeferredError):
        wait(aws, State.REFUSED)

    assert row(aws).state is State.ACTIVATED


@pytest.mark.parametrize(
    ("state", "waiting"), [(State.ACTIVATED, State.ACTIVATED), (State.REFUSED, State.DEFERRED)]
)
def test_a_certificate_that_waits_has_the_state_of_a_deferred_one(
    aws: Account, state: State, waiting: State
) -> None:
    put(aws, state, detail="since Monday")

    wait(aws, state)

    assert (row(aws).state, row(aws).reason, row(aws).detail) == (waiting, Reason.RATE_LIMITED, "")


# Reading.


def test_many_rows_are_read_a_hundred_at_a_time_each_once(aws: Account) -> None:
    ids = [CertificateId(f"{n:064x}") for n in range(250)]
    sizes: list[int] = []
    aws.dynamodb.meta.events.register(
        "provide-client-params.dynamodb.BatchGetItem",
        lambda params, **_: sizes.append(len(params["RequestItems"][aws.table]["Keys"])),
    )

    aws.ledger.rows([*ids, *ids])

    assert sizes == [100, 100, 50]


def test_values_of_a_newer_version_are_read_as_unknown(aws: Account) -> None:
    put(aws, "transcended", reason="because", newAttribute="x")

    assert row(aws) == Row(CERTIFICATE)
