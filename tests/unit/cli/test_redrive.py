"""`jitr redrive` queues dead letters and pending certificates again."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from iot_jitr_cli import redrive as redrive_module
from iot_jitr_cli.deployment import Deployment
from iot_jitr_cli.redrive import redrive_dead_letters, redrive_pending
from iot_jitr_runtime.reconciler.listing import CertificateSummary
from iot_jitr_runtime.reconciler.requeue import ActivationQueue
from iot_jitr_runtime.stack_outputs import Output
from tests.support.account import REGION, Account, account
from tests.support.aws_clients import CALLER
from tests.support.certificate_list import FakeList
from tests.support.command_line import CommandResult, run_jitr


@pytest.fixture
def aws() -> Iterator[Account]:
    with account() as opened:
        yield opened


def bodies(aws: Account, url: str) -> list[str]:
    found: list[str] = []
    while messages := aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [message["Body"] for message in messages]
    return sorted(found)


def dead_letter(aws: Account, *bodies: str) -> None:
    for body in bodies:
        aws.sqs.send_message(QueueUrl=aws.dead_letter_queue_url, MessageBody=body)


def test_every_dead_letter_is_queued_again_and_none_is_left(aws: Account) -> None:
    sent = [f"message {number:02}" for number in range(23)]
    dead_letter(aws, *sent)

    moved = redrive_dead_letters(aws.sqs, aws.dead_letter_queue_url, aws.queue_url)

    assert moved == 23
    assert bodies(aws, aws.queue_url) == sent
    assert bodies(aws, aws.dead_letter_queue_url) == []


def test_without_dead_letters_nothing_is_moved(aws: Account) -> None:
    assert redrive_dead_letters(aws.sqs, aws.dead_letter_queue_url, aws.queue_url) == 0


def test_a_message_that_cannot_be_sent_is_not_deleted(aws: Account) -> None:
    dead_letter(aws, "message")

    with pytest.raises(aws.sqs.exceptions.QueueDoesNotExist):
        redrive_dead_letters(aws.sqs, aws.dead_letter_queue_url, aws.queue_url + "-gone")

    attributes = aws.sqs.get_queue_attributes(
        QueueUrl=aws.dead_letter_queue_url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"]
    )["Attributes"]
    assert attributes["ApproximateNumberOfMessagesNotVisible"] == "1"


def test_messages_that_another_reader_has_received_are_not_moved(
    aws: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead_letter(aws, "message")
    monkeypatch.setattr(aws.sqs, "receive_message", lambda **_: {})

    assert redrive_dead_letters(aws.sqs, aws.dead_letter_queue_url, aws.queue_url) == 0


def test_pending_certificates_without_a_decision_are_queued(aws: Account) -> None:
    listing = FakeList(aws)
    hour = timedelta(hours=1)
    lost = [aws.pending() for _ in range(3)]
    decided = aws.pending()
    aws.process(aws.event(decided))
    listing.certificates += [
        CertificateSummary(name, "PENDING_ACTIVATION", aws.clock() - hour) for name in lost
    ]
    listing.certificates.append(CertificateSummary(decided, "ACTIVE", aws.clock() - hour))
    bodies(aws, aws.queue_url)
    slept: list[float] = []
    queue = ActivationQueue(aws.sqs, aws.queue_url)

    pages = redrive_pending(
        listing,
        aws.ledger,
        queue,
        aws.ca_id,
        timedelta(minutes=15),
        sleep=slept.append,  # type: ignore[arg-type]
    )

    assert ([*pages], slept) == ([(2, 2), (1, 2)], [0.2])
    assert {json.loads(body)["certificateId"] for body in bodies(aws, aws.queue_url)} == set(lost)


@pytest.fixture
def deployed(aws: Account, monkeypatch: pytest.MonkeyPatch) -> Account:
    outputs = {
        Output.ACTIVATION_QUEUE_URL: aws.queue_url,
        Output.DEAD_LETTER_QUEUE_URL: aws.dead_letter_queue_url,
        Output.LEDGER_TABLE: aws.table,
        "FactoryCaCertificateId": aws.ca_id,
    }
    monkeypatch.setattr(redrive_module, "find_deployment", lambda *_: Deployment("iot-jitr", REGION, outputs))
    return aws


def run(*arguments: object) -> CommandResult:
    return run_jitr("redrive", *arguments, variables=CALLER)


def test_the_command_prints_what_it_queued(deployed: Account) -> None:
    dead_letter(deployed, "message")
    deployed.pending()

    result = run("--pending-minutes", 0)

    assert result.exit_code == 0, result.err
    assert "queued again: 1 dead letters, 1 pending certificates" in result.out


def test_the_command_prints_json(deployed: Account) -> None:
    deployed.pending()

    result = run("--pending-minutes", 0, "--json")

    assert result.json == {"dead_letters": 0, "pending": 1, "certificates_seen": 1}
    assert result.err == ""


def test_young_certificates_are_not_queued(deployed: Account) -> None:
    deployed.pending()

    assert run("--json").json["pending"] == 0
