"""Facts about the decision: the ledger's row and the dead letters."""

import base64
import json
from typing import Any

import pytest

from iot_jitr_cli.doctor.facts.decision import DecisionFacts, dead_letter_about
from iot_jitr_runtime.outcomes import Reason
from tests.support import doctor_case as dc
from tests.support.doctor_cloud import Cloud
from tests.support.doctor_facts import (
    ID,
    pipeline,
)


def test_the_ledgers_row_is_read(cloud: Cloud) -> None:
    item = {"certificateId": {"S": ID}, "state": {"S": "refused"}, "reason": {"S": "expired"}}
    facts = DecisionFacts(cloud, ID, pipeline(cloud))  # type: ignore[arg-type]
    cloud.answers("dynamodb", "get_item", {"Item": item})

    assert facts.row is not None
    assert facts.row.reason is Reason.EXPIRED


def _letter(message_id: str, certificate_id: str, reason: str = "foreign_ca") -> dict[str, Any]:
    attribute = {"DataType": "String", "StringValue": reason}
    return {
        "MessageId": message_id,
        "Body": json.dumps({"certificateId": certificate_id}),
        "MessageAttributes": {"reason": attribute},
    }


def _peek(cloud: Cloud, *messages: dict[str, Any]) -> None:
    expected = {
        "QueueUrl": dc.DEAD_LETTER_URL,
        "MaxNumberOfMessages": 10,
        "VisibilityTimeout": 0,
        "MessageAttributeNames": ["All"],
    }
    cloud.answers("sqs", "receive_message", {"Messages": [*messages]}, expected)


def test_dead_letters_are_received_until_none_is_new(cloud: Cloud) -> None:
    facts = DecisionFacts(cloud, ID, pipeline(cloud))  # type: ignore[arg-type]
    _peek(cloud, _letter("1", "other"), _letter("2", ID))
    _peek(cloud, _letter("1", "other"), _letter("3", "another"))
    _peek(cloud, _letter("2", ID))

    assert facts.dead_letter is not None
    assert facts.dead_letter.reason == "foreign_ca"


def test_a_dead_letter_of_another_device_is_not_found(cloud: Cloud) -> None:
    facts = DecisionFacts(cloud, ID, pipeline(cloud))  # type: ignore[arg-type]
    _peek(cloud)

    assert facts.dead_letter is None


def test_at_most_two_hundred_dead_letters_are_read(cloud: Cloud) -> None:
    facts = DecisionFacts(cloud, ID, pipeline(cloud))  # type: ignore[arg-type]
    for number in range(20):
        _peek(cloud, _letter(str(number), "other"))

    assert facts.dead_letter is None


def test_the_report_of_a_rule_that_could_not_deliver_is_understood() -> None:
    payload = base64.b64encode(json.dumps({"certificateId": ID}).encode()).decode()
    body = {
        "ruleName": "r",
        "base64OriginalPayload": payload,
        "failures": [{"errorMessage": "AccessDenied"}],
    }

    letter = dead_letter_about(ID, {"Body": json.dumps(body)})

    assert letter is not None
    assert (letter.reason, letter.detail) == ("not_delivered", "rule r: AccessDenied")


@pytest.mark.parametrize(
    "body", ["", "[]", "no json", '{"base64OriginalPayload": "%"}', '{"base64OriginalPayload": "a"}']
)
def test_a_malformed_dead_letter_is_about_no_device(body: str) -> None:
    assert dead_letter_about(ID, {"Body": body}) is None
