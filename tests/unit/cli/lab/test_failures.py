"""Why a stack failed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from iot_jitr_cli.lab.failures import failure_reason

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def event(second: int, resource: str, status: str, reason: str) -> dict[str, Any]:
    return {
        "StackId": "id",
        "EventId": str(second),
        "StackName": "iot-jitr",
        "Timestamp": NOON + timedelta(seconds=second),
        "LogicalResourceId": resource,
        "ResourceType": "Custom::Ca",
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


def reason_for(status: str, events: list[dict[str, Any]]) -> str | None:
    cloudformation = boto3.client(
        "cloudformation", "us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    stack = {"StackName": "iot-jitr", "StackStatus": status, "CreationTime": NOON}
    with Stubber(cloudformation) as stubbed:
        stubbed.add_response("describe_stacks", {"Stacks": [stack]})
        stubbed.add_response("describe_stack_events", {"StackEvents": events})
        return failure_reason(cloudformation)


@pytest.mark.parametrize(
    "status", ["CREATE_FAILED", "ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "DELETE_FAILED"]
)
def test_the_first_cause_is_named_not_its_consequences(status: str) -> None:
    events = [
        event(3, "iot-jitr", "ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create"),
        event(2, "Queue", "CREATE_FAILED", "Resource creation cancelled"),
        event(1, "Ca", "CREATE_FAILED", "the CA's key does not fit\n\nLogs: x\n\n at framework.js:1"),
        event(0, "Ca", "CREATE_IN_PROGRESS", ""),
    ]

    assert reason_for(status, events) == "Ca (Custom::Ca): the CA's key does not fit"


def test_a_failed_stack_without_a_cause_on_record_has_none_to_tell() -> None:
    assert (
        reason_for("ROLLBACK_COMPLETE", [event(1, "Queue", "CREATE_FAILED", "Resource creation cancelled")])
        is None
    )


def test_a_healthy_stack_has_nothing_to_tell() -> None:
    assert reason_for("CREATE_COMPLETE", []) is None
