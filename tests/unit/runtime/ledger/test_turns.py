"""The line: one rate over all workers, first come, first served."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import LINE_KEY, LineTooLongError, Row, State, Turns
from iot_jitr_runtime.ledger.turns import UTILISATION
from iot_jitr_runtime.outcomes import DeferredError, Reason, StaleError, Verdict
from tests.support.account import Account, account
from tests.support.faults import Fault, injected

CERTIFICATE = CertificateId("a" * 64)
NOW = 1_800_000_000_000
SLOWER = 1 / UTILISATION


@pytest.fixture
def aws() -> Iterator[Account]:
    with account() as opened:
        yield opened


def line(aws: Account, per_second: float = 10) -> Turns:
    return Turns(aws.dynamodb, aws.table, per_second)


def test_the_first_turn_of_an_empty_line_is_now(aws: Account) -> None:
    assert line(aws).reserve(1, now=NOW) == [NOW]


def test_turns_lie_one_interval_apart(aws: Account) -> None:
    turns = line(aws, per_second=10).reserve(4, now=NOW)

    assert turns == [NOW + int(number * 100 * SLOWER) for number in range(4)]


def test_who_comes_later_stands_behind(aws: Account) -> None:
    first = line(aws).reserve(10, now=NOW)
    second = line(aws).reserve(1, now=NOW)

    assert second == [NOW + int(1000 * SLOWER)]
    assert second[0] > first[-1]


def test_a_line_that_has_run_out_starts_anew(aws: Account) -> None:
    line(aws).reserve(10, now=NOW)

    assert line(aws).reserve(1, now=NOW + 60_000) == [NOW + 60_000]


def test_two_workers_who_find_no_line_do_not_both_start_one(aws: Account) -> None:
    others: list[int] = []

    def be_faster(**_: object) -> None:
        if not others:
            others.append(-1)
            others[:] = line(aws).reserve(3, now=NOW)

    # The first call finds no line; before the second one can start it, another worker does.
    aws.dynamodb.meta.events.register("after-call.dynamodb.UpdateItem", be_faster)
    mine = line(aws).reserve(3, now=NOW)

    assert others + mine == [NOW + int(number * 100 * SLOWER) for number in range(6)]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(min_value=0, max_value=3000), st.integers(min_value=1, max_value=10)),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from([1, 10, 100, 1000]),
)
def test_the_rate_is_never_exceeded(aws: Account, arrivals: list[tuple[int, int]], rate: int) -> None:
    aws.dynamodb.delete_item(TableName=aws.table, Key={"certificateId": {"S": LINE_KEY}})
    now, turns = NOW, []
    for pause, count in arrivals:
        now += pause
        turns += line(aws, rate).reserve(count, now=now)

    assert turns == sorted(turns)
    # Turns are whole milliseconds cut from whole microseconds, so a pair may be a millisecond short.
    assert all(after - before >= 1000 / rate - 1 for before, after in pairwise(turns))


def test_who_is_not_ready_to_wait_takes_no_turn(aws: Account) -> None:
    turns = line(aws)
    turns.reserve(100, now=NOW)

    with pytest.raises(LineTooLongError, match="asked for one within 5000 ms"):
        turns.reserve(1, now=NOW, within=5000)

    assert turns.reserve(1, now=NOW) == [NOW + int(100 * 100 * SLOWER)]


def test_a_short_line_is_joined_by_who_will_not_wait_long(aws: Account) -> None:
    turns = line(aws)
    turns.reserve(10, now=NOW)

    assert turns.reserve(1, now=NOW, within=5000) == [NOW + int(1000 * SLOWER)]


def test_a_line_that_never_holds_still_is_given_up_on(aws: Account) -> None:
    turns = line(aws)

    def spoil(**_: object) -> None:
        # Between any two of its calls another worker moves the line: away from now, and back again.
        item = aws.dynamodb.get_item(TableName=aws.table, Key={"certificateId": {"S": LINE_KEY}})
        free = int(item["Item"]["nextTurnAt"]["N"]) if "Item" in item else 0
        moved = 0 if free > NOW * 1000 else NOW * 1000 + 1
        aws.dynamodb.put_item(
            TableName=aws.table,
            Item={"certificateId": {"S": LINE_KEY}, "nextTurnAt": {"N": str(moved)}},
        )

    aws.dynamodb.meta.events.register("after-call.dynamodb.UpdateItem", spoil)

    with pytest.raises(DeferredError) as deferred:
        turns.reserve(1, now=NOW)

    assert deferred.value.reason is Reason.THROTTLED


def wait(
    aws: Account, row: Row, *, message_id: str = "m", sent_at: int = NOW - 5, turn: int = NOW + 9
) -> None:
    line(aws).wait(row, turn=turn, sent_at=sent_at, message_id=message_id, now=NOW)


def test_a_waiting_certificate_says_so(aws: Account) -> None:
    wait(aws, Row(CERTIFICATE))

    row = aws.ledger.row(CERTIFICATE)
    assert row is not None
    assert row == Row(
        CERTIFICATE,
        State.DEFERRED,
        Reason.AWAITING_TURN,
        first_seen_at=NOW - 5,
        decided_at=NOW,
        look_again_at=NOW + 9,
        waiting_message_id="m",
    )
    assert row.makes_stale(NOW + 9, "another message")
    assert not row.makes_stale(NOW - 5, "m")


def test_waiting_may_be_written_twice(aws: Account) -> None:
    wait(aws, Row(CERTIFICATE))
    wait(aws, Row(CERTIFICATE))

    row = aws.ledger.row(CERTIFICATE)
    assert row is not None
    assert row.waiting_message_id == "m"


def test_a_second_message_of_a_waiting_certificate_is_stale(aws: Account) -> None:
    wait(aws, Row(CERTIFICATE))

    with pytest.raises(StaleError, match=r"^deferred already$"):
        wait(aws, Row(CERTIFICATE), message_id="n")


def test_an_event_that_was_answered_meanwhile_does_not_wait_though_the_state_is_the_same(
    aws: Account,
) -> None:
    refused = aws.ledger.claim(CERTIFICATE, sent_at=NOW - 9, message_id="n", now=NOW, expires_at=NOW + 1000)
    aws.ledger.record_refused(
        refused, Verdict.because(Reason.EXPIRED), None, now=NOW, look_again_at=NOW + 60_000
    )

    with pytest.raises(StaleError, match=r"^refused already$"):
        wait(aws, Row(CERTIFICATE, state=State.REFUSED))

    row = aws.ledger.row(CERTIFICATE)
    assert row is not None
    assert (row.reason, row.look_again_at) == (Reason.EXPIRED, NOW + 60_000)


def test_a_refused_certificate_that_comes_again_waits_as_a_deferred_one(aws: Account) -> None:
    aws.dynamodb.put_item(
        TableName=aws.table, Item={"certificateId": {"S": CERTIFICATE}, "state": {"S": State.REFUSED}}
    )

    wait(aws, Row(CERTIFICATE, state=State.REFUSED))

    row = aws.ledger.row(CERTIFICATE)
    assert row is not None
    assert (row.state, row.reason) == (State.DEFERRED, Reason.AWAITING_TURN)


def test_who_is_being_examined_does_not_wait(aws: Account) -> None:
    aws.ledger.claim(CERTIFICATE, sent_at=NOW, message_id="n", now=NOW, expires_at=NOW + 1000)

    with pytest.raises(DeferredError, match=r"^another worker is at it$") as deferred:
        wait(aws, Row(CERTIFICATE))

    assert deferred.value.reason is Reason.CLAIMED_ELSEWHERE


def test_a_state_that_changed_meanwhile_is_not_overwritten(aws: Account) -> None:
    aws.dynamodb.put_item(
        TableName=aws.table, Item={"certificateId": {"S": CERTIFICATE}, "state": {"S": State.ACTIVATED}}
    )

    with pytest.raises(DeferredError):
        wait(aws, Row(CERTIFICATE, state=State.REFUSED))

    row = aws.ledger.row(CERTIFICATE)
    assert row is not None
    assert row.state is State.ACTIVATED


@pytest.mark.parametrize("state", [State.ACTIVATING, State.ACTIVATED, State.SUSPENDED, State.REVOKED])
def test_what_was_begun_or_settled_stays_so_while_waiting(aws: Account, state: State) -> None:
    aws.dynamodb.put_item(
        TableName=aws.table, Item={"certificateId": {"S": CERTIFICATE}, "state": {"S": state}}
    )

    wait(aws, Row(CERTIFICATE, state=state))

    row = aws.ledger.row(CERTIFICATE)
    assert row is not None
    assert (row.state, row.reason) == (state, Reason.AWAITING_TURN)


def test_a_turn_that_was_given_out_but_not_heard_of_costs_only_itself(aws: Account) -> None:
    turns = line(aws)
    turns.reserve(1, now=NOW)
    with injected(aws.dynamodb, "UpdateItem", Fault.TIMEOUT_AFTER), pytest.raises(Exception, match="timeout"):
        turns.reserve(1, now=NOW)

    assert turns.reserve(1, now=NOW) == [NOW + int(200 * SLOWER)]
