"""What the pipeline is made of, and that it is set as the design says."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from iot_jitr_runtime import environment
from iot_jitr_runtime.ledger import KEY, SERIAL_INDEX, SERIAL_INDEX_KEY
from iot_jitr_runtime.ledger.revocations import RELEASE_AT, SUSPENDED_INDEX, SUSPENDED_UNDER
from iot_jitr_runtime.ledger.rows import TTL_ATTRIBUTE
from iot_jitr_runtime.ledger.tasks import TASK, TASK_DUE_AT, TASK_INDEX
from tests.support.stacks import joined, named, of_type, only

Template = dict[str, Any]
FOURTEEN_DAYS = 14 * 24 * 3600


def activator(template: Template) -> dict[str, Any]:
    _, function = named(template, "AWS::Lambda::Function", "Activator")
    return dict(function["Properties"])


def test_nothing_is_made_that_is_not_meant(template: Template) -> None:
    made = sorted(resource["Type"] for resource in template["Resources"].values())

    assert made == [
        *["AWS::CloudWatch::Alarm"] * 11,
        "AWS::CloudWatch::Dashboard",
        "AWS::DynamoDB::Table",
        "AWS::Events::Rule",
        *["AWS::IAM::Policy"] * 5,
        *["AWS::IAM::Role"] * 5,
        "AWS::IoT::Policy",
        "AWS::IoT::TopicRule",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::EventSourceMapping",
        *["AWS::Lambda::Function"] * 4,
        "AWS::Lambda::Permission",
        *["AWS::Logs::LogGroup"] * 4,
        *["AWS::Logs::QueryDefinition"] * 6,
        *["AWS::SQS::Queue"] * 2,
        *["AWS::SQS::QueuePolicy"] * 2,
        "Custom::JitrCaCertificate",
    ]


def test_nothing_has_a_physical_name_of_our_choosing(template: Template) -> None:
    names = {"TableName", "QueueName", "FunctionName", "RoleName", "LogGroupName", "RuleName"}

    for logical_id, resource in template["Resources"].items():
        chosen = {
            key for key in names & set(resource["Properties"]) if isinstance(resource["Properties"][key], str)
        }
        assert chosen == set(), logical_id
    assert "PolicyName" not in only(template, "AWS::IoT::Policy")["Properties"]


def test_the_rule_listens_to_the_registrations_of_its_ca(template: Template) -> None:
    ca, _ = named(template, "Custom::JitrCaCertificate", "Factory")
    payload = only(template, "AWS::IoT::TopicRule")["Properties"]["TopicRulePayload"]

    assert joined(payload["Sql"]) == (
        f"SELECT * FROM '$aws/events/certificates/registered/${{{ca}.CaCertificateId}}'"
    )
    assert payload["AwsIotSqlVersion"] == "2016-03-23"
    assert payload["RuleDisabled"] is False


def test_the_rule_sends_events_to_the_queue_and_what_fails_to_the_dead_letters(template: Template) -> None:
    queue, _ = named(template, "AWS::SQS::Queue", "QueuesActivation")
    dead_letters, _ = named(template, "AWS::SQS::Queue", "DeadLetters")
    role, _ = named(template, "AWS::IAM::Role", "RulesRole")
    rule = only(template, "AWS::IoT::TopicRule")
    payload = rule["Properties"]["TopicRulePayload"]

    def sends_to(name: str) -> dict[str, Any]:
        return {
            "Sqs": {"QueueUrl": {"Ref": name}, "RoleArn": {"Fn::GetAtt": [role, "Arn"]}, "UseBase64": False}
        }

    assert payload["Actions"] == [sends_to(queue)]
    assert payload["ErrorAction"] == sends_to(dead_letters)


def test_the_rule_is_made_after_its_role_may_send(template: Template) -> None:
    policy, _ = named(template, "AWS::IAM::Policy", "RulesRole")

    assert policy in only(template, "AWS::IoT::TopicRule")["DependsOn"]


def test_both_queues_are_encrypted_and_keep_messages_for_fourteen_days(template: Template) -> None:
    for name, queue in of_type(template, "AWS::SQS::Queue").items():
        assert queue["Properties"]["SqsManagedSseEnabled"] is True, name
        assert queue["Properties"]["MessageRetentionPeriod"] == FOURTEEN_DAYS, name
        assert "FifoQueue" not in queue["Properties"], name


def test_the_activation_queue_gives_up_only_after_a_thousand_tries(template: Template) -> None:
    dead_letters, _ = named(template, "AWS::SQS::Queue", "DeadLetters")
    _, queue = named(template, "AWS::SQS::Queue", "QueuesActivation")

    assert queue["Properties"]["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": [dead_letters, "Arn"]},
        "maxReceiveCount": 1000,
    }


def test_a_message_stays_hidden_for_six_times_the_activators_time_out(template: Template) -> None:
    _, queue = named(template, "AWS::SQS::Queue", "QueuesActivation")

    assert queue["Properties"]["VisibilityTimeout"] == 6 * activator(template)["Timeout"]


def test_the_activator_has_time_and_memory_for_its_calls(template: Template) -> None:
    properties = activator(template)

    assert properties["Timeout"] == 30
    assert properties["MemorySize"] >= 256
    assert (properties["Runtime"], properties["Architectures"]) == ("python3.13", ["arm64"])
    assert properties["Handler"] == environment.ACTIVATOR_HANDLER


def test_the_activator_is_told_what_it_needs(template: Template) -> None:
    table, _ = named(template, "AWS::DynamoDB::Table", "Ledger")
    queue, _ = named(template, "AWS::SQS::Queue", "QueuesActivation")
    dead_letters, _ = named(template, "AWS::SQS::Queue", "DeadLetters")
    ca, _ = named(template, "Custom::JitrCaCertificate", "Factory")
    policy, _ = named(template, "AWS::IoT::Policy", "DevicePolicy")

    configured = {
        name: joined(value) for name, value in activator(template)["Environment"]["Variables"].items()
    }

    assert configured == {
        environment.LEDGER_TABLE: f"${{{table}}}",
        environment.ACTIVATION_QUEUE_URL: f"${{{queue}}}",
        environment.DEAD_LETTER_QUEUE_URL: f"${{{dead_letters}}}",
        environment.CAS: f'{{"${{{ca}.CaCertificateId}}":{{"revocation":"none"}}}}',
        environment.DEVICE_POLICY: f'{{"kind":"shared","needs_common_name":true,"name":"${{{policy}}}"}}',
        environment.ACTIVATIONS_PER_SECOND: "10",
        "POWERTOOLS_SERVICE_NAME": "iot-jitr/Jitr",
        "POWERTOOLS_METRICS_NAMESPACE": "IotJitr",
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }


def test_one_bad_message_does_not_fail_its_batch(template: Template) -> None:
    mapping = only(template, "AWS::Lambda::EventSourceMapping")["Properties"]

    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_the_activators_workers_are_as_many_as_the_rate_needs(template: Template) -> None:
    mapping = only(template, "AWS::Lambda::EventSourceMapping")["Properties"]

    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 7}
    assert mapping["BatchSize"] == 10
    assert "MaximumBatchingWindowInSeconds" not in mapping


def test_every_function_has_a_log_group_with_retention(template: Template) -> None:
    groups = of_type(template, "AWS::Logs::LogGroup")
    used = {
        function["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]
        for function in of_type(template, "AWS::Lambda::Function").values()
    }

    assert used == set(groups)
    assert {group["Properties"]["RetentionInDays"] for group in groups.values()} == {30}
    assert {group["DeletionPolicy"] for group in groups.values()} == {"Delete"}


def test_our_functions_share_one_asset(template: Template) -> None:
    ours = [
        each["Properties"]["Code"]["S3Key"]
        for each in of_type(template, "AWS::Lambda::Function").values()
        if each["Properties"]["Handler"].startswith("iot_jitr_runtime.")
    ]

    assert len(ours) == 3
    assert len(set(ours)) == 1


@pytest.mark.parametrize(
    "handler",
    [environment.ACTIVATOR_HANDLER, environment.CA_REGISTRATION_HANDLER, environment.RECONCILER_HANDLER],
)
def test_each_handler_is_deployed_and_its_module_has_it(template: Template, handler: str) -> None:
    deployed = [each["Properties"]["Handler"] for each in of_type(template, "AWS::Lambda::Function").values()]
    module, _, name = handler.rpartition(".")
    source = find_spec(module)

    assert handler in deployed
    assert source is not None
    assert source.origin is not None
    assert f"def {name}(" in Path(source.origin).read_text()


def test_the_ledger_has_the_keys_that_the_functions_use(template: Template) -> None:
    table = only(template, "AWS::DynamoDB::Table")["Properties"]

    assert table["KeySchema"] == [{"AttributeName": KEY, "KeyType": "HASH"}]
    by_serial, by_task, on_hold = table["GlobalSecondaryIndexes"]
    assert by_serial["IndexName"] == SERIAL_INDEX
    assert by_serial["KeySchema"] == [{"AttributeName": SERIAL_INDEX_KEY, "KeyType": "HASH"}]
    assert by_serial["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    assert by_task["IndexName"] == TASK_INDEX
    assert by_task["KeySchema"] == [
        {"AttributeName": TASK, "KeyType": "HASH"},
        {"AttributeName": TASK_DUE_AT, "KeyType": "RANGE"},
    ]
    assert by_task["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    assert on_hold["IndexName"] == SUSPENDED_INDEX
    assert on_hold["KeySchema"] == [
        {"AttributeName": SUSPENDED_UNDER, "KeyType": "HASH"},
        {"AttributeName": RELEASE_AT, "KeyType": "RANGE"},
    ]
    assert on_hold["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    assert table["TimeToLiveSpecification"] == {"AttributeName": TTL_ATTRIBUTE, "Enabled": True}


def test_the_ledger_is_paid_by_request_can_be_restored_and_outlives_the_stack(template: Template) -> None:
    table = only(template, "AWS::DynamoDB::Table")

    assert table["Properties"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_the_shared_policy_outlives_the_stack_and_its_own_replacement(template: Template) -> None:
    policy = only(template, "AWS::IoT::Policy")

    assert (policy["DeletionPolicy"], policy["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_the_outputs_tell_an_operator_where_everything_is(template: Template) -> None:
    assert set(template["Outputs"]) >= {
        "FactoryCaCertificateId",
        "FactoryRule",
        "ActivationQueueUrl",
        "DeadLetterQueueUrl",
        "DevicePolicyName",
        "LedgerTable",
        "ActivatorFunction",
        "ActivatorLogGroup",
        "CaRegistrationLogGroup",
        "CaRegistrationFrameworkLogGroup",
    }


def test_no_private_key_is_in_the_template(template: Template) -> None:
    assert "PRIVATE KEY" not in str(template)
