"""The resources of the pipeline and their properties, as in the design."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from iot_jitr_runtime import environment
from tests.support.stacks import named, of_type, only, readable

Template = dict[str, Any]
FOURTEEN_DAYS = 14 * 24 * 3600


def _to_queue(name: str) -> dict[str, Any]:
    return {"Sqs": {"QueueUrl": f"${{{name}}}", "RoleArn": "${RulesRole.Arn}", "UseBase64": False}}


def _index(name: str, key: str, time: str | None = None) -> dict[str, Any]:
    keys = {key: "HASH"} | ({} if time is None else {time: "RANGE"})
    return {
        "IndexName": name,
        "KeySchema": [{"AttributeName": key, "KeyType": kind} for key, kind in keys.items()],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }


SET: dict[tuple[str, str], dict[str, Any]] = {
    ("AWS::IoT::TopicRule", "Factory"): {
        "TopicRulePayload": {
            "Description": "Registration events of the devices of CA Factory",
            "Sql": "SELECT * FROM '$aws/events/certificates/registered/${CaFactory.CaCertificateId}'",
            "AwsIotSqlVersion": "2016-03-23",
            "Actions": [_to_queue("QueuesActivation")],
            "ErrorAction": _to_queue("QueuesDeadLetters"),
            "RuleDisabled": False,
        }
    },
    ("AWS::SQS::Queue", "QueuesDeadLetters"): {
        "SqsManagedSseEnabled": True,
        "MessageRetentionPeriod": FOURTEEN_DAYS,
    },
    # A message stays hidden for six times the activator's time-out.
    ("AWS::SQS::Queue", "QueuesActivation"): {
        "SqsManagedSseEnabled": True,
        "MessageRetentionPeriod": FOURTEEN_DAYS,
        "VisibilityTimeout": 6 * 30,
        "RedrivePolicy": {"deadLetterTargetArn": "${QueuesDeadLetters.Arn}", "maxReceiveCount": 1000},
    },
    # No batching window; one bad message does not fail its batch.
    ("AWS::Lambda::EventSourceMapping", "Activator"): {
        "EventSourceArn": "${QueuesActivation.Arn}",
        "FunctionName": "${ActivatorFunction}",
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 7},
        "BatchSize": 10,
    },
    ("AWS::DynamoDB::Table", "Ledger"): {
        "KeySchema": [{"AttributeName": "certificateId", "KeyType": "HASH"}],
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": "N" if name in {"taskDueAt", "releaseAt"} else "S"}
            for name in ("certificateId", "caSerial", "task", "taskDueAt", "suspendedUnder", "releaseAt")
        ],
        "GlobalSecondaryIndexes": [
            _index("ca-serial", "caSerial"),
            _index("tasks", "task", "taskDueAt"),
            _index("suspended", "suspendedUnder", "releaseAt"),
        ],
        "TimeToLiveSpecification": {"AttributeName": "expiresAt", "Enabled": True},
        "BillingMode": "PAY_PER_REQUEST",
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
    },
}


@pytest.mark.parametrize(("kind", "part"), SET, ids=lambda text: text.rpartition(":")[2])
def test_a_resource_has_exactly_these_properties(template: Template, kind: str, part: str) -> None:
    _, resource = named(template, kind, part)

    assert readable(resource["Properties"]) == SET[kind, part]


def test_the_activator_has_time_memory_and_settings_for_its_calls(template: Template) -> None:
    found = readable(named(template, "AWS::Lambda::Function", "Activator")[1]["Properties"])

    assert (found["Timeout"], found["MemorySize"]) == (30, 512)
    assert (found["Runtime"], found["Architectures"]) == ("python3.13", ["arm64"])
    assert found["Environment"]["Variables"] == {
        environment.LEDGER_TABLE: "${LedgerTable}",
        environment.ACTIVATION_QUEUE_URL: "${QueuesActivation}",
        environment.DEAD_LETTER_QUEUE_URL: "${QueuesDeadLetters}",
        environment.CAS: '{"${CaFactory.CaCertificateId}":{"revocation":"none"}}',
        environment.DEVICE_POLICY: (
            '{"kind":"shared","needs_common_name":true,"name":"${DevicePolicyShared}"}'
        ),
        environment.ACTIVATIONS_PER_SECOND: "10",
        "POWERTOOLS_SERVICE_NAME": "iot-jitr/Jitr",
        "POWERTOOLS_METRICS_NAMESPACE": "IotJitr",
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }


def test_rule_and_event_source_depend_on_the_policies_of_their_roles(template: Template) -> None:
    for kind, part in (
        ("AWS::IoT::TopicRule", "RulesRole"),
        ("AWS::Lambda::EventSourceMapping", "Activator"),
    ):
        policy, _ = named(template, "AWS::IAM::Policy", part)
        assert policy in only(template, kind)["DependsOn"]


def test_ledger_and_shared_policy_are_retained_on_deletion_and_replacement(template: Template) -> None:
    for kind in ("AWS::DynamoDB::Table", "AWS::IoT::Policy"):
        resource = only(template, kind)
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_every_function_has_a_log_group_with_retention(template: Template) -> None:
    groups = of_type(template, "AWS::Logs::LogGroup")
    used = {
        function["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]
        for function in of_type(template, "AWS::Lambda::Function").values()
    }

    assert used == set(groups)
    assert {group["Properties"]["RetentionInDays"] for group in groups.values()} == {30}
    assert {group["DeletionPolicy"] for group in groups.values()} == {"Delete"}


def test_our_functions_share_one_asset_that_contains_the_handlers(template: Template) -> None:
    ours = {
        each["Properties"]["Handler"]: each["Properties"]["Code"]["S3Key"]
        for each in of_type(template, "AWS::Lambda::Function").values()
        if each["Properties"]["Handler"].startswith("iot_jitr_runtime.")
    }

    assert set(ours) == {
        environment.ACTIVATOR_HANDLER,
        environment.CA_REGISTRATION_HANDLER,
        environment.RECONCILER_HANDLER,
    }
    assert len(set(ours.values())) == 1
    for handler in ours:
        module, _, name = handler.rpartition(".")
        source = find_spec(module)
        assert source is not None
        assert source.origin is not None
        assert f"def {name}(" in Path(source.origin).read_text()


def test_no_private_key_is_in_the_template(template: Template) -> None:
    assert "PRIVATE KEY" not in str(template)
