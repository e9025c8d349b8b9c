"""The row of a certificate that waits for its slot of the rate limiter."""

import pytest

from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import Row, State
from iot_jitr_runtime.outcomes import DeferredError, Reason, StaleError, Verdict
from tests.support.account import Account

CERTIFICATE = CertificateId("a" * 64)
NOW = 1_800_000_000_000


def wait(aws: Account, row: Row, *, message_id: str = "m") -> None:
    aws.ledger.record_rate_limited(row, slot=NOW + 9, sent_at=NOW - 5, message_id=message_id, now=NOW)


def put(aws: Account, state: State) -> None:
    aws.dynamodb.put_item(
        TableName=aws.table, Item={"certificateId": {"S": CERTIFICATE}, "state": {"S": state}}
    )


def row(aws: Account) -> Row:
    found = aws.ledger.row(CERTIFICATE)
    assert found is not None
    return found


def test_the_row_names_the_slot_and_the_message_that_brings_the_certificate_back(aws: Account) -> None:
    wait(aws, Row(CERTIFICATE))

    assert row(aws) == Row(
        CERTIFICATE,
        State.DEFERRED,
        Reason.RATE_LIMITED,
        first_seen_at=NOW - 5,
        decided_at=NOW,
        look_again_at=NOW + 9,
        waiting_message_id="m",
    )
    assert row(aws).makes_stale(NOW + 9, "another message")
    assert not row(aws).makes_stale(NOW - 5, "m")


def test_it_may_be_written_twice(aws: Account) -> None:
    wait(aws, Row(CERTIFICATE))
    wait(aws, Row(CERTIFICATE))

    assert row(aws).waiting_message_id == "m"


def test_a_second_message_of_a_waiting_certificate_is_stale(aws: Account) -> None:
    wait(aws, Row(CERTIFICATE))

    with pytest.raises(StaleError, match=r"^deferred already$"):
        wait(aws, Row(CERTIFICATE), message_id="n")


def test_an_event_that_was_answered_meanwhile_does_not_wait_though_the_state_is_the_same(
    aws: Account,
) -> None:
    refused = aws.ledger.claim(CERTIFICATE, sent_at=NOW - 9, message_id="n", now=NOW, expires_at=NOW + 1000)
    aws.ledger.record_refused(refused, Verdict(Reason.EXPIRED), None, now=NOW, look_again_at=NOW + 60_000)

    with pytest.raises(StaleError, match=r"^refused already$"):
        wait(aws, Row(CERTIFICATE, state=State.REFUSED))

    assert (row(aws).reason, row(aws).look_again_at) == (Reason.EXPIRED, NOW + 60_000)


def test_a_refused_certificate_that_comes_again_waits_as_a_deferred_one(aws: Account) -> None:
    put(aws, State.REFUSED)

    wait(aws, Row(CERTIFICATE, state=State.REFUSED))

    assert (row(aws).state, row(aws).reason) == (State.DEFERRED, Reason.RATE_LIMITED)


def test_a_certificate_that_another_worker_has_claimed_does_not_wait(aws: Account) -> None:
    aws.ledger.claim(CERTIFICATE, sent_at=NOW, message_id="n", now=NOW, expires_at=NOW + 1000)

    with pytest.raises(DeferredError, match=r"^another worker has claimed it$") as deferred:
        wait(aws, Row(CERTIFICATE))

    assert deferred.value.reason is Reason.CLAIMED_ELSEWHERE


def test_a_state_that_changed_meanwhile_is_not_overwritten(aws: Account) -> None:
    put(aws, State.ACTIVATED)

    with pytest.raises(DeferredError):
        wait(aws, Row(CERTIFICATE, state=State.REFUSED))

    assert row(aws).state is State.ACTIVATED


@pytest.mark.parametrize("state", [State.ACTIVATING, State.ACTIVATED, State.SUSPENDED, State.REVOKED])
def test_a_state_that_was_begun_or_settled_is_kept(aws: Account, state: State) -> None:
    put(aws, state)

    wait(aws, Row(CERTIFICATE, state=state))

    assert (row(aws).state, row(aws).reason) == (state, Reason.RATE_LIMITED)
