"""A batch: order, isolation, and the three ways in which a message ends."""

from datetime import timedelta
from typing import Any

import pytest

from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.outcomes import Outcome, Reason, Verdict
from tests.support.account import Account
from tests.support.faults import Fault, counted, injected


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not JSON",
        "null",
        "[]",
        "{}",
        '"text"',
        '{"certificateId": null}',
        '{"certificateId": 7}',
        '{"certificateId": "abc"}',
        '{"certificateId": "' + "G" * 64 + '"}',
        '{"certificateId": "' + "a" * 64 + '/../x"}',
        "[" * 100_000,
    ],
)
def test_a_malformed_message_is_dead_lettered_with_its_reason(aws: Account, body: str) -> None:
    record = aws.send(body or " ")

    back = aws.process(record)

    assert back == []
    [decision] = aws.decisions
    assert decision.verdict.reason is Reason.MALFORMED_EVENT
    [letter] = aws.dead_letters()
    assert letter["MessageAttributes"]["reason"]["StringValue"] == "malformed_event"
    assert "detail" in letter["MessageAttributes"]
    assert letter["MessageAttributes"]["messageId"]["StringValue"] == record["messageId"]


@pytest.mark.parametrize(
    "extra",
    [
        {"certificateRegistrationTimestamp": "1700000000000"},
        {"certificateRegistrationTimestamp": None, "sourceIp": "10.0.0.1"},
        {"timestamp": "soon", "somethingNew": {"deep": []}},
    ],
)
def test_other_fields_of_an_event_do_not_matter(aws: Account, extra: dict[str, object]) -> None:
    certificate_id = aws.pending()

    aws.process(aws.send({"certificateId": certificate_id} | extra))

    assert aws.status(certificate_id) == "ACTIVE"


def test_a_malformed_message_does_not_affect_the_others(aws: Account) -> None:
    first, second = aws.pending(), aws.pending()

    back = aws.process(aws.event(first), aws.send("poison"), aws.event(second))

    assert back == []
    assert (aws.status(first), aws.status(second)) == ("ACTIVE", "ACTIVE")


def test_one_failing_certificate_does_not_fail_the_batch(aws: Account) -> None:
    records = [aws.event(aws.pending()) for _ in range(3)]

    with injected(aws.iot, "UpdateCertificate", Fault.SERVER_ERROR, at_call=2):
        back = aws.process(*records)

    assert back == [records[1]["messageId"]]


def test_the_device_that_waits_longest_comes_first(aws: Account) -> None:
    late, early = aws.pending(), aws.pending()
    now = aws.clock.milliseconds

    aws.process(aws.event(late, sent_at=now), aws.event(early, sent_at=now - 60_000))

    assert [d.certificate_id for d in aws.decisions] == [early, late]


def test_messages_for_which_no_time_is_left_go_back_unclaimed(aws: Account) -> None:
    slow = aws.pending()
    rest = [aws.pending() for _ in range(3)]

    def take_long(**_: object) -> None:
        aws.clock.pass_time(seconds=25)

    aws.iot.meta.events.register("after-call.iot.UpdateCertificate", take_long)
    now = aws.clock.milliseconds
    records = [aws.event(slow, sent_at=now - 1), *(aws.event(c) for c in rest)]
    back = aws.process(*records)

    assert back == [r["messageId"] for r in records[1:]]
    assert [(d.certificate_id, d.verdict.reason) for d in aws.decisions[1:]] == [
        (certificate_id, Reason.OUT_OF_TIME) for certificate_id in rest
    ]
    assert all(aws.ledger.row(c) is None for c in rest)


def test_a_deferred_message_waits_longer_each_time(aws: Account) -> None:
    waits = []
    record = aws.event("0" * 64)
    aws.parts["issuers"] = None
    for _ in range(2):
        aws.process(record)
        waits.append(aws.decisions[0].retry_in)
        record = aws.redelivered(record)
        aws.clock.pass_time(minutes=1)

    assert waits[0] in range(1, 3)
    assert waits[1] in range(2, 5)


def test_a_deferred_message_is_hidden_for_the_time_the_decision_says(aws: Account) -> None:
    asked = entries_asked_for(aws)

    aws.process(aws.event("0" * 64))

    assert [entry["VisibilityTimeout"] for entry in asked] == [aws.decisions[0].retry_in]


def test_messages_that_go_back_together_have_different_entry_ids(aws: Account) -> None:
    asked = entries_asked_for(aws)
    records = [aws.event("0" * 64), aws.event("1" * 64)]

    with injected(aws.dynamodb, "BatchGetItem", Fault.SERVER_ERROR):
        aws.process(*records)

    assert len({entry["Id"] for entry in asked}) == 2
    assert [entry["ReceiptHandle"] for entry in asked] == [record["receiptHandle"] for record in records]


def test_an_answer_without_failed_entries_is_a_success(aws: Account) -> None:
    aws.sqs.meta.events.register(
        "after-call.sqs.ChangeMessageVisibilityBatch", lambda parsed, **_: parsed.pop("Failed", None)
    )
    record = aws.event("0" * 64)

    assert aws.process(record) == [record["messageId"]]


def test_a_failed_request_to_hide_messages_is_logged_with_its_cause(
    aws: Account, caplog: pytest.LogCaptureFixture
) -> None:
    with injected(aws.sqs, "ChangeMessageVisibilityBatch", Fault.THROTTLE):
        aws.process(aws.event("0" * 64))

    assert "1 messages keep the queue's visibility time-out: An error occurred (Throttl" in caplog.text


def entries_asked_for(aws: Account) -> list[dict[str, Any]]:
    """What SQS will be asked to hide; filled as it is asked."""
    asked: list[dict[str, Any]] = []
    aws.sqs.meta.events.register(
        "provide-client-params.sqs.ChangeMessageVisibilityBatch",
        lambda params, **_: asked.extend(params["Entries"]),
    )
    return asked


def test_messages_that_sqs_does_not_hide_are_counted_in_the_log(
    aws: Account, caplog: pytest.LogCaptureFixture
) -> None:
    kept, gone, old = (aws.event(certificate * 64) for certificate in "012")
    for record in (gone, old):
        record["receiptHandle"] = "of a message that is not in flight"

    with injected(aws.dynamodb, "BatchGetItem", Fault.SERVER_ERROR):
        back = aws.process(kept, gone, old)

    assert back == [record["messageId"] for record in (kept, gone, old)]
    assert "2 messages keep the queue's visibility time-out: ReceiptHandleIsInvalid" in caplog.text


def test_when_the_ledger_cannot_be_read_everything_goes_back(aws: Account) -> None:
    records = [aws.event(aws.pending()) for _ in range(3)]

    with injected(aws.dynamodb, "BatchGetItem", Fault.SERVER_ERROR), counted(aws.iot) as calls:
        back = aws.process(*records)

    assert back == [r["messageId"] for r in records]
    assert calls == []
    assert {d.verdict.reason for d in aws.decisions} == {Reason.SERVICE_ERROR}


def test_keys_that_the_ledger_leaves_unprocessed_send_the_batch_back(aws: Account) -> None:
    def leave_unprocessed(parsed: dict[str, Any], **_: Any) -> None:
        parsed["UnprocessedKeys"] = {aws.table: {"Keys": [{"certificateId": {"S": "0" * 64}}]}}

    aws.dynamodb.meta.events.register("after-call.dynamodb.BatchGetItem", leave_unprocessed)
    record = aws.event("0" * 64)

    assert aws.process(record) == [record["messageId"]]
    assert aws.decisions[0].verdict.reason is Reason.THROTTLED


def test_a_defect_while_claiming_defers_only_that_message(aws: Account) -> None:
    good, bad = aws.pending(), aws.pending()
    batch = aws.batch()
    claim = batch.activation.ledger.claim

    def broken(certificate_id: CertificateId, **arguments: object) -> object:
        if certificate_id == bad:
            raise ZeroDivisionError("half")
        return claim(certificate_id, **arguments)  # type: ignore[arg-type]

    object.__setattr__(batch.activation, "ledger", aws.ledger)
    batch.activation.ledger.claim = broken  # type: ignore[method-assign, assignment]
    records = [aws.event(bad), aws.event(good)]
    back = aws.process(*records, batch=batch)

    assert back == [records[0]["messageId"]]
    decision = aws.decisions[0]
    assert (decision.certificate_id, decision.verdict) == (
        bad,
        Verdict(Reason.INTERNAL_ERROR, "ZeroDivisionError: half"),
    )
    assert isinstance(decision.verdict.defect, ZeroDivisionError)
    assert aws.status(good) == "ACTIVE"


def test_every_message_of_a_batch_has_exactly_one_decision(aws: Account) -> None:
    certificate_id = aws.pending()
    records = [
        aws.event(certificate_id),
        aws.event(certificate_id),
        aws.send("poison"),
        aws.event("0" * 64),
        aws.event(aws.pending()),
    ]

    aws.process(*records)

    outcomes = sorted(d.verdict.outcome for d in aws.decisions)
    assert outcomes == sorted(
        [Outcome.ACTIVATED, Outcome.STALE, Outcome.DEAD_LETTERED, Outcome.DEFERRED, Outcome.ACTIVATED]
    )


def test_of_two_workers_on_one_certificate_only_the_holder_of_the_claim_changes_it(aws: Account) -> None:
    certificate_id = aws.pending()
    other: list[str] = []

    def meanwhile(**_: object) -> None:
        aws.iot.meta.events.unregister("before-call.iot.AttachPolicy", meanwhile)
        seen = aws.decisions
        other.extend(aws.process(aws.event(certificate_id)))
        assert aws.decisions[0].verdict.reason is Reason.CLAIMED_ELSEWHERE
        aws.decisions = seen

    aws.iot.meta.events.register("before-call.iot.AttachPolicy", meanwhile)
    with counted(aws.iot) as calls:
        aws.process(aws.event(certificate_id))

    assert len(other) == 1
    assert calls.count("UpdateCertificate") == 1


def test_a_function_that_is_stopped_soon_begins_no_activation(aws: Account) -> None:
    record = aws.event(aws.pending())

    response = aws.batch().process(
        [record], stopped_by=aws.clock() + timedelta(seconds=1), on_decision=aws.decisions.append
    )

    assert response == {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}
