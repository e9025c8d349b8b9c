"""Which certificate is processed now, and which waits for its slot."""

import json
from typing import Any

import pytest

from iot_jitr_runtime.activator.activate import Decision
from iot_jitr_runtime.activator.slots import Arrival, assign_slots
from iot_jitr_runtime.events import Message
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import Row, State
from iot_jitr_runtime.outcomes import Outcome, Reason, Verdict
from tests.support.account import REFUSE_ALL, Account
from tests.support.faults import Crash, Fault, counted, injected
from tools.cost import LEDGER_WRITES


@pytest.fixture
def aws(aws: Account) -> Account:
    """An account that activates one certificate a second."""
    aws.activations_per_second = 1
    return aws


def seconds_hidden(aws: Account) -> list[int]:
    return [entry["VisibilityTimeout"] for entry in aws.hidden]


def crowd(aws: Account, count: int) -> list[dict[str, Any]]:
    now = aws.clock.milliseconds
    return [aws.event(aws.pending(), sent_at=now + number) for number in range(count)]


def test_devices_beyond_the_rate_wait_for_their_slots_in_the_queue(aws: Account) -> None:
    records = crowd(aws, 5)

    back = aws.process(*records)

    assert back == [record["messageId"] for record in records[1:]]
    assert aws.reasons == [Reason.RATE_LIMITED] * 4 + [None]
    assert seconds_hidden(aws) == [2, 3, 4, 5]


def test_the_first_device_has_the_first_slot(aws: Account) -> None:
    records = crowd(aws, 4)

    aws.process(*reversed(records))

    [activated] = [d.message.message_id for d in aws.decisions if d.verdict.reason is None]
    assert activated == records[0]["messageId"]


def test_while_a_device_waits_its_other_events_make_no_call_and_no_write(aws: Account) -> None:
    first, second = crowd(aws, 2)
    aws.process(first, second)
    again = aws.send(second["body"])

    with counted(aws.iot) as iot, counted(aws.dynamodb) as ledger:
        back = aws.process(again)

    assert back == []
    assert aws.reasons == [Reason.ALREADY_DECIDED]
    assert (iot, ledger) == ([], ["BatchGetItem"])


def test_at_its_slot_a_device_is_processed_without_another_reservation(aws: Account) -> None:
    first, second = crowd(aws, 2)
    aws.process(first, second)
    aws.clock.pass_time(seconds=2)

    back = aws.process(aws.redelivered(second))

    assert back == []
    assert aws.reasons == [None]
    assert aws.rate_limiter().reserve(1) == [aws.clock.milliseconds + 61]


def test_a_waiting_device_causes_the_writes_of_the_cost_model(aws: Account) -> None:
    aws.process(*crowd(aws, 1))  # creates the rate limiter's item
    first, second = crowd(aws, 2)
    with counted(aws.dynamodb) as both_wait:
        aws.process(first, second)
    aws.clock.pass_time(seconds=2)
    with counted(aws.dynamodb) as at_its_slot:
        aws.process(aws.redelivered(second))

    (slot, waits, *own) = LEDGER_WRITES.values()
    assert at_its_slot == ["BatchGetItem", "UpdateItem", "UpdateItem", "TransactWriteItems"]
    assert own == [1, 1 + 1, 2 * 2]  # one write; one with its index entry; a transaction of two items
    assert both_wait == ["BatchGetItem", *["UpdateItem"] * (slot + 2 * waits)]


def test_a_message_received_before_its_slot_is_hidden_again_without_a_write(aws: Account) -> None:
    records = crowd(aws, 6)
    aws.process(*records)
    aws.clock.pass_time(seconds=2)

    with counted(aws.dynamodb) as ledger:
        back = aws.process(aws.redelivered(records[5]))

    assert back == [records[5]["messageId"]]
    assert (aws.reasons, seconds_hidden(aws), ledger) == ([Reason.RATE_LIMITED], [4], ["BatchGetItem"])


def test_after_the_slot_any_event_of_the_device_is_processed(aws: Account) -> None:
    first, second = crowd(aws, 2)
    aws.process(first, second)
    aws.clock.pass_time(seconds=10)

    back = aws.process(aws.send(second["body"]))

    assert (back, aws.reasons) == ([], [None])


def test_a_new_device_never_overtakes_a_waiting_one(aws: Account) -> None:
    aws.process(*crowd(aws, 10))
    aws.clock.pass_time(seconds=1)

    aws.process(*crowd(aws, 1))

    assert (aws.reason, seconds_hidden(aws)) == (Reason.RATE_LIMITED, [10])


def test_refused_devices_that_reconnect_all_the_time_delay_no_other_device(aws: Account) -> None:
    aws.parts["admission"] = REFUSE_ALL
    refused = crowd(aws, 1)
    aws.process(*refused)
    del aws.parts["admission"]
    aws.clock.pass_time(seconds=61)
    aws.process(*crowd(aws, 10))

    with counted(aws.iot) as calls:
        back = aws.process(*(aws.send(refused[0]["body"]) for _ in range(3)))

    assert back == []
    assert aws.reasons.count(Reason.ALREADY_DECIDED) == 1
    assert calls == []
    newcomer = crowd(aws, 1)
    aws.process(*newcomer)
    assert seconds_hidden(aws) == [11]


def test_a_refused_device_is_processed_again_while_the_queue_is_short(aws: Account) -> None:
    aws.parts["admission"] = REFUSE_ALL
    [refused] = crowd(aws, 1)
    aws.process(refused)
    del aws.parts["admission"]
    aws.clock.pass_time(seconds=61)
    aws.process(*crowd(aws, 2))

    aws.process(aws.send(refused["body"]))
    assert aws.reason is Reason.RATE_LIMITED
    aws.clock.pass_time(seconds=3)
    aws.process(aws.send(refused["body"]))

    assert aws.reason is None


def test_certificates_are_processed_in_the_order_of_their_slots(aws: Account) -> None:
    aws.activations_per_second = 2
    aws.parts["admission"] = REFUSE_ALL
    [refused] = crowd(aws, 1)
    aws.process(refused)
    aws.clock.pass_time(seconds=61)
    again = aws.send(refused["body"], sent_at=aws.clock.milliseconds - 500)
    [newcomer] = crowd(aws, 1)

    aws.process(again, newcomer)

    assert [d.message.message_id for d in aws.decisions] == [newcomer["messageId"], again["messageId"]]
    assert aws.reasons == [Reason.NOT_LISTED] * 2


def test_a_retry_of_a_deferred_message_reserves_a_slot_too(aws: Account) -> None:
    [record] = crowd(aws, 1)
    with injected(aws.iot, "DescribeCertificate", Fault.THROTTLE):
        aws.process(record)
    aws.clock.pass_time(seconds=5)
    aws.process(*crowd(aws, 3))

    back = aws.process(aws.redelivered(record))

    assert (back, aws.reasons) == ([record["messageId"]], [Reason.RATE_LIMITED])


@pytest.mark.parametrize(
    ("per_second", "milliseconds", "seconds", "dropped"),
    [
        (10, 9_999_001, 10_000, False),
        (10, 10_000_000, 10_000, False),
        (10, 10_000_001, 10_001, True),
        (1, 39_600_000, 39_600, False),
        (1, 39_600_001, 39_601, True),
    ],
    ids=["rounded up", "100,000 messages", "one more", "11 hours", "a moment more"],
)
def test_a_message_is_hidden_until_its_slot_or_the_limit_of_the_queue(
    aws: Account,
    per_second: float,
    milliseconds: int,
    seconds: int,
    dropped: bool,  # noqa: FBT001
) -> None:
    certificate, now = CertificateId("a" * 64), aws.clock.milliseconds
    row = Row(certificate, reason=Reason.RATE_LIMITED, valid_until=now + milliseconds)
    arrival = Arrival(Message("m", "handle", "", now, 2), row)

    assigned = assign_slots(aws.rate_limiter(per_second), aws.ledger, [arrival])

    verdict = Verdict(Reason.RATE_LIMITED, f"its slot is in {seconds} s")
    retry_in = None if dropped else seconds
    assert assigned == ([Decision(arrival.message, certificate, verdict, retry_in)], [])


def test_a_slot_beyond_the_visibility_limit_is_kept_only_in_the_ledger(aws: Account) -> None:
    aws.rate_limiter().reserve(100_000)
    [record] = crowd(aws, 1)

    back = aws.process(record)

    row = aws.row(aws.decisions[0].certificate_id or "")
    assert (back, aws.reasons, aws.hidden) == ([], [Reason.RATE_LIMITED], [])
    assert row.valid_until - aws.clock.milliseconds > 100_000_000
    aws.clock.pass_time(days=2)
    assert (aws.process(aws.send(record["body"])), aws.reasons) == ([], [None])


@pytest.mark.parametrize("fault", [Fault.THROTTLE, Fault.SERVER_ERROR, Fault.TIMEOUT_AFTER])
@pytest.mark.parametrize("call", [1, 2, 3], ids=["appending", "restarting the queue", "recording the slot"])
def test_a_rate_limiter_that_cannot_be_read_or_written_defers(aws: Account, fault: Fault, call: int) -> None:
    records = crowd(aws, 2)

    with injected(aws.dynamodb, "UpdateItem", fault, at_call=call):
        back = aws.process(*records)

    assert records[1]["messageId"] in back
    assert all(d.retry_in for d in aws.decisions if d.verdict.outcome is Outcome.DEFERRED)
    aws.clock.pass_time(minutes=1)
    aws.process(*(aws.redelivered(r) for r in records if r["messageId"] in back))
    aws.clock.pass_time(minutes=1)
    aws.process(*(aws.redelivered(r) for r in records if r["messageId"] in back))
    assert {aws.status(d.certificate_id) for d in aws.decisions if d.certificate_id} == {"ACTIVE"}


def test_waiting_messages_keep_their_slots_after_a_crash_during_validation(aws: Account) -> None:
    records = crowd(aws, 3)

    with injected(aws.iot, "DescribeCertificate", Fault.CRASH_BEFORE), pytest.raises(Crash):
        aws.process(*records)

    assert seconds_hidden(aws) == [2, 3]
    rows = [aws.ledger.row(d.certificate_id) for d in aws.decisions if d.certificate_id]
    assert [(row.state, row.reason) for row in rows if row] == [(State.DEFERRED, Reason.RATE_LIMITED)] * 2


def test_a_certificate_deleted_before_its_slot_does_not_wait(aws: Account) -> None:
    first, second = crowd(aws, 2)
    aws.process(first, second)
    gone = json.loads(second["body"])["certificateId"]
    aws.iot.update_certificate(certificateId=gone, newStatus="INACTIVE")
    aws.iot.delete_certificate(certificateId=gone, forceDelete=True)
    aws.clock.pass_time(seconds=5)
    second["attributes"]["ApproximateReceiveCount"] = "3"

    aws.process(second)

    assert aws.reason is Reason.CERTIFICATE_GONE
    assert aws.row(gone).reason is None
