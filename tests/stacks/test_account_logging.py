"""AWS IoT's own log: managed by a custom resource that may change this one log group and no other."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest

from iot_jitr import AccountLoggingMode, JitrStack
from iot_jitr.account_logging import failure_pattern
from iot_jitr_runtime.account_logging.handler import respond
from iot_jitr_runtime.account_logging.properties import RESOURCE_TYPE
from iot_jitr_runtime.custom_resource import IAM_DELAYS
from tests.support.account_log import GROUP_ARN, account_log
from tests.support.scenarios import KEY, scenario
from tests.support.stacks import (
    DEFAULTS,
    all_statements,
    app_without_bundling,
    granted,
    infos,
    named,
    of_type,
    only,
    template,
    template_of,
)

if TYPE_CHECKING:
    from constructs import Construct

Template = dict[str, Any]
STACK_ID = "arn:aws:cloudformation:eu-central-1:123456789012:stack/iot-jitr/6c1f0d70"
THEIR_ROLE = "arn:aws:iam::123456789012:role/theirs"
GROUP = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:AWSIotLogsV2"


@pytest.fixture(scope="module")
def managed() -> Template:
    return template_of(replace(DEFAULTS, account_logging=AccountLoggingMode.MANAGE))


def custom_resource(app_or_stage: "Construct") -> tuple[str, dict[str, Any]]:
    """Logical id and properties of the custom resource, as CloudFormation sends them."""
    stack = JitrStack(app_or_stage, "Jitr", replace(DEFAULTS, account_logging=AccountLoggingMode.MANAGE))
    ((logical_id, resource),) = of_type(template(stack), RESOURCE_TYPE).items()
    properties = {**resource["Properties"], "RoleArn": "arn:aws:iam::123456789012:role/ours"}
    return logical_id, {name: str(value) for name, value in properties.items()}


def test_manage_turns_logging_on_with_a_dedicated_role(managed: Template) -> None:
    role, properties = named(managed, "AWS::IAM::Role", "AccountLoggingRole")
    resource = only(managed, RESOURCE_TYPE)
    (statement,) = properties["Properties"]["AssumeRolePolicyDocument"]["Statement"]

    assert resource["Properties"]["Mode"] == "manage"
    assert resource["Properties"]["RoleArn"] == {"Fn::GetAtt": [role, "Arn"]}
    assert resource["Properties"]["RetentionDays"] == 30
    assert statement["Principal"] == {"Service": "iot.amazonaws.com"}
    assert "aws:SourceAccount" in statement["Condition"]["StringEquals"]


def test_the_function_has_time_for_the_retries_of_two_calls(managed: Template) -> None:
    _, function = named(managed, "AWS::Lambda::Function", "AccountLoggingOnEvent")

    assert function["Properties"]["Timeout"] > 2 * sum(IAM_DELAYS) + 30


def test_the_former_settings_are_restored_after_the_stack_has_moved_under_a_stage() -> None:
    with app_without_bundling() as app:
        logical_id, before_move = custom_resource(app)
    with app_without_bundling() as app:
        same_id, after_move = custom_resource(cdk.Stage(app, "Production"))
    event = {"StackId": STACK_ID, "LogicalResourceId": logical_id}

    with account_log() as account:
        account.options = {"roleArn": THEIR_ROLE, "defaultLogLevel": "WARN", "disableAllLogs": True}
        found = account.state()
        for request in (
            {"RequestType": "Create", "ResourceProperties": before_move},
            {
                "RequestType": "Update",
                "ResourceProperties": after_move,
                "OldResourceProperties": before_move,
            },
            {"RequestType": "Delete", "ResourceProperties": after_move},
        ):
            respond({**event, **request}, account.iot, account.logs, GROUP_ARN)
        restored = account.state()

    assert same_id == logical_id
    assert restored == found


def test_the_role_can_write_before_aws_iot_uses_it(managed: Template) -> None:
    resource = only(managed, RESOURCE_TYPE)

    assert any("AccountLoggingRoleDefaultPolicy" in each for each in resource["DependsOn"])


def test_the_role_may_be_passed_to_aws_iot_only(managed: Template) -> None:
    (statement,) = (each for _, each in all_statements(managed) if each["Action"] == "iam:PassRole")

    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "iot.amazonaws.com"}}


@pytest.mark.parametrize(
    ("name", "key"), [("everything_on", KEY), ("foreign_stack", None)], ids=["managed", "adopted"]
)
def test_a_managed_log_is_encrypted_with_the_key_and_an_adopted_one_is_not(
    name: str, key: str | None
) -> None:
    template = scenario(name)

    may_encrypt = ("logs:AssociateKmsKey", f"{GROUP}:*") in granted(template, "AccountLoggingOnEvent")
    assert only(template, RESOURCE_TYPE)["Properties"].get("EncryptionKeyArn") == key
    assert may_encrypt is (key is not None)


def test_adopt_needs_no_role() -> None:
    adopted = template_of(replace(DEFAULTS, account_logging=AccountLoggingMode.ADOPT))

    assert only(adopted, RESOURCE_TYPE)["Properties"]["RoleArn"] == ""
    assert [name for name in of_type(adopted, "AWS::IAM::Role") if "AccountLoggingRole" in name] == []


def test_the_alarm_watches_the_failures_that_are_counted_in_the_log_group(managed: Template) -> None:
    custom, _ = named(managed, RESOURCE_TYPE, "AccountLogging")
    metric_filter = only(managed, "AWS::Logs::MetricFilter")["Properties"]
    (transformation,) = metric_filter["MetricTransformations"]
    _, alarm = named(managed, "AWS::CloudWatch::Alarm", "AlarmsRegistrationFailures")

    assert metric_filter["LogGroupName"] == {"Fn::GetAtt": [custom, "LogGroup"]}
    assert transformation["MetricName"] == "RegistrationFailures/iot-jitr/Jitr"
    assert alarm["Properties"]["MetricName"] == transformation["MetricName"]
    assert alarm["Properties"]["Namespace"] == transformation["MetricNamespace"]


def test_failures_of_registration_and_of_our_rules_are_counted_and_failed_connects_are_not() -> None:
    pattern = failure_pattern(["rule_1"])

    assert pattern == (
        '{ ($.status = "Failure") && (($.eventType = "*Regist*") || ($.eventType = "*Provision*") || '
        '($.eventType = "Connection.AuthNError") || ($.ruleName = "rule_1")) }'
    )


def test_by_default_logging_is_unchanged_and_the_synthesis_reports_it(template: Template) -> None:
    with app_without_bundling() as app:
        (info,) = infos(JitrStack(app, "Jitr", DEFAULTS))

    assert of_type(template, RESOURCE_TYPE) == of_type(template, "AWS::Logs::MetricFilter") == {}
    assert "set 'manage'" in info


def test_the_shipped_app_manages_the_logging() -> None:
    context = json.loads((Path(__file__).parents[2] / "cdk.json").read_text())["context"]

    assert context["jitr"]["account_logging"] == "manage"
