"""What a message of the dead-letter queue holds: an event of the activator, or the report of a topic rule."""

import base64
import json
from typing import Any

import pytest

from iot_jitr_cli.dead_letters import DeadLetter

EVENT = '{"certificateId": "abc"}'


def wrapped(**more: Any) -> str:
    return json.dumps(
        {"ruleName": "r", "base64OriginalPayload": base64.b64encode(EVENT.encode()).decode(), **more}
    )


def test_an_event_of_the_activator_has_its_reason_in_the_attributes() -> None:
    attributes = {name: {"DataType": "String", "StringValue": name} for name in ("reason", "detail")}

    found = DeadLetter.read({"Body": EVENT, "MessageAttributes": attributes})

    assert found == DeadLetter(EVENT, "reason", "detail")
    assert found.certificate_id == "abc"


@pytest.mark.parametrize(
    ("failures", "detail"),
    [
        ([{"errorMessage": "AccessDenied"}, {"errorMessage": "twice"}, "odd"], "rule r: AccessDenied; twice"),
        ("odd", "rule r: "),
    ],
)
def test_the_report_of_a_rule_that_could_not_deliver_holds_the_event(failures: Any, detail: str) -> None:
    found = DeadLetter.read({"Body": wrapped(failures=failures)})

    assert found == DeadLetter(EVENT, "not_delivered", detail)
    assert found.certificate_id == "abc"


@pytest.mark.parametrize(
    "body",
    [
        "not JSON",
        "[]",
        '{"certificateId": 7}',
        '{"base64OriginalPayload": "not base64!"}',
        '{"base64OriginalPayload": "a"}',
        '{"base64OriginalPayload": 7}',
        '{"base64OriginalPayload": "/w=="}',
        "[" * 100_000,
    ],
)
def test_any_other_message_is_returned_whole_without_a_certificate_id(body: str) -> None:
    found = DeadLetter.read({"Body": body})

    assert found.event == body
    assert found.certificate_id is None
