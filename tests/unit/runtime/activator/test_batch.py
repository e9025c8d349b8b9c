"""A batch: order, isolation, and the three ways in which a message ends."""

import json
from typing import Any

import pytest

from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.outcomes import Outcome, Reason, Verdict
from tests.support.account import Account
from tests.support.faults import Fault, counted, injected, meanwhile

NO_EVENTS = [
    " ",
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
]


@pytest.mark.parametrize("body", NO_EVENTS)
def test_a_malformed_message_is_dead_lettered_with_its_reason(aws: Account, body: str) -> None:
    record = aws.send(body)

    assert aws.process(record) == []

    assert aws.reason is Reason.MALFORMED_EVENT
    [message] = aws.dead_letters()
    attributes = {name: each["StringValue"] for name, each in message["MessageAttributes"].items()}
    assert attributes == {
        "reason": "malformed_event",
        "detail": aws.decisions[0].verdict.detail,
        "messageId": record["messageId"],
    }


@pytest.mark.parametrize(
    "extra",
    [
        {"certificateRegistrationTimestamp": "1700000000000"},
        {"certificateRegistrationTimestamp": None, "sourceIp": "10.0.0.1"},
        {"timestamp": "soon", "caCertificateId": 7, "somethingNew": {"deep": []}},
    ],
)
def test_other_fields_of_an_event_do_not_matter(aws: Account, extra: dict[str, object]) -> None:
    aws.process(aws.send({"certificateId": aws.pending()} | extra))

    assert aws.reason is None


def test_every_message_of_a_batch_has_exactly_one_decision(aws: Account) -> None:
    twice, once = aws.pending(), aws.pending()
    records = [
        *(aws.event(each) for each in (twice, twice, once, "0" * 64)),
        aws.send("poison"),
    ]

    assert aws.process(*records) == [records[3]["messageId"]]

    decided = {decision.message.message_id: decision.verdict.outcome for decision in aws.decisions}
    assert len(aws.decisions) == len(records)
    assert [decided[record["messageId"]] for record in records] == [
        Outcome.ACTIVATED,
        Outcome.STALE,
        Outcome.ACTIVATED,
        Outcome.DEFERRED,
        Outcome.DEAD_LETTERED,
    ]


def test_messages_without_remaining_time_return_to_the_queue_unclaimed(aws: Account) -> None:
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


# messages that return to the queue


def test_a_deferred_message_is_hidden_longer_each_time(aws: Account) -> None:
    record = aws.event("0" * 64)
    for shortest, longest in ((1, 2), (2, 4)):
        aws.process(record)
        assert aws.decisions[0].retry_in in range(shortest, longest + 1)
        assert aws.hidden[-1]["VisibilityTimeout"] == aws.decisions[0].retry_in
        record = aws.redelivered(record)
        aws.clock.pass_time(minutes=1)


def test_messages_that_return_together_have_different_entry_ids(aws: Account) -> None:
    records = [aws.event("0" * 64), aws.event("1" * 64)]

    with injected(aws.dynamodb, "BatchGetItem", Fault.SERVER_ERROR):
        aws.process(*records)

    assert len({entry["Id"] for entry in aws.hidden}) == 2
    assert [entry["ReceiptHandle"] for entry in aws.hidden] == [record["receiptHandle"] for record in records]


def test_a_response_without_failed_entries_is_a_success(
    aws: Account, caplog: pytest.LogCaptureFixture
) -> None:
    aws.sqs.meta.events.register(
        "after-call.sqs.ChangeMessageVisibilityBatch", lambda parsed, **_: parsed.pop("Failed", None)
    )
    record = aws.event("0" * 64)

    assert aws.process(record) == [record["messageId"]]
    assert caplog.text == ""


@pytest.mark.parametrize("fault", [f for f in Fault if not f.startswith("crash")])
def test_a_failed_change_of_visibility_is_logged_and_the_messages_return(
    aws: Account, caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    record = aws.event("0" * 64)

    with injected(aws.sqs, "ChangeMessageVisibilityBatch", fault):
        assert aws.process(record) == [record["messageId"]]

    assert "1 messages keep the queue's visibility time-out: " in caplog.text
    assert "ChangeMessageVisibilityBatch" in caplog.text or "timeout" in caplog.text


def test_messages_that_sqs_does_not_hide_are_counted_in_the_log(
    aws: Account, caplog: pytest.LogCaptureFixture
) -> None:
    codes = ["MessageNotInflight", "ReceiptHandleIsInvalid", "MessageNotInflight"]
    aws.sqs.meta.events.register(
        "after-call.sqs.ChangeMessageVisibilityBatch",
        lambda parsed, **_: parsed.update(Failed=[{"Code": code} for code in codes]),
    )
    records = [aws.event(certificate * 64) for certificate in "0123"]

    with injected(aws.dynamodb, "BatchGetItem", Fault.SERVER_ERROR):
        back = aws.process(*records)

    assert back == [record["messageId"] for record in records]
    time_out = "keep the queue's visibility time-out"
    assert f"3 messages {time_out}: MessageNotInflight, ReceiptHandleIsInvalid" in caplog.text


# the ledger


def test_all_messages_return_to_the_queue_if_the_ledger_is_unreadable(aws: Account) -> None:
    records = [aws.event(aws.pending()) for _ in range(3)]

    with injected(aws.dynamodb, "BatchGetItem", Fault.SERVER_ERROR), counted(aws.iot) as calls:
        back = aws.process(*records)

    assert back == [r["messageId"] for r in records]
    assert calls == []
    assert {d.verdict.reason for d in aws.decisions} == {Reason.SERVICE_ERROR}
    assert [d.certificate_id for d in aws.decisions] == [
        json.loads(record["body"])["certificateId"] for record in records
    ]


def test_unprocessed_keys_of_the_ledger_return_the_batch_to_the_queue(aws: Account) -> None:
    def leave_unprocessed(parsed: dict[str, Any], **_: Any) -> None:
        parsed["UnprocessedKeys"] = {aws.table: {"Keys": [{"certificateId": {"S": "0" * 64}}]}}

    aws.dynamodb.meta.events.register("after-call.dynamodb.BatchGetItem", leave_unprocessed)
    record = aws.event("0" * 64)

    assert aws.process(record) == [record["messageId"]]
    assert aws.reason is Reason.THROTTLED


def test_a_defect_while_claiming_defers_only_that_message(
    aws: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = aws.pending(), aws.pending()
    batch = aws.batch()
    claim = batch.activation.ledger.claim

    def broken(certificate_id: CertificateId, **event: Any) -> object:
        if certificate_id == bad:
            raise ZeroDivisionError("half")
        return claim(certificate_id, **event)

    monkeypatch.setattr(batch.activation.ledger, "claim", broken)
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


def test_only_the_holder_of_the_claim_changes_a_certificate(aws: Account) -> None:
    certificate_id = aws.pending()
    other: list[str] = []

    def other_worker() -> None:
        seen = aws.decisions
        other.extend(aws.process(aws.event(certificate_id)))
        assert aws.decisions[0].verdict.reason is Reason.CLAIMED_ELSEWHERE
        aws.decisions = seen

    with counted(aws.iot) as calls, meanwhile(aws.iot, "AttachPolicy", other_worker):
        aws.process(aws.event(certificate_id))

    assert len(other) == 1
    assert calls.count("UpdateCertificate") == 1
