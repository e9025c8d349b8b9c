"""AWS IoT's own log: managed by a custom resource that may touch this one log group and no other."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Annotations, Match

from iot_jitr import AccountLoggingMode, JitrStack
from iot_jitr.account_logging import failure_pattern
from iot_jitr_runtime.account_logging.handler import respond
from iot_jitr_runtime.account_logging.properties import RESOURCE_TYPE
from iot_jitr_runtime.environment import ACCOUNT_LOGGING_HANDLER
from tests.support.account_log import GROUP_ARN, account_log
from tests.support.scenarios import KEY, scenario
from tests.support.stacks import (
    DEFAULTS,
    all_statements,
    app_without_bundling,
    as_list,
    joined,
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


@pytest.fixture(scope="module")
def adopted() -> Template:
    return template_of(replace(DEFAULTS, account_logging=AccountLoggingMode.ADOPT))


def custom_resource(app_or_stage: "Construct") -> tuple[str, dict[str, Any]]:
    """Logical id and properties of the custom resource, as CloudFormation sends them."""
    stack = JitrStack(app_or_stage, "Jitr", replace(DEFAULTS, account_logging=AccountLoggingMode.MANAGE))
    ((logical_id, resource),) = of_type(template(stack), RESOURCE_TYPE).items()
    properties = {**resource["Properties"], "RoleArn": "arn:aws:iam::123456789012:role/ours"}
    return logical_id, {name: str(value) for name, value in properties.items()}


def granted(template: Template, part: str) -> set[tuple[str, str]]:
    return {
        (action, joined(resource))
        for name, statement in all_statements(template)
        if part in name
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    }


def infos(**changes: Any) -> list[str]:
    with app_without_bundling() as app:
        stack = JitrStack(app, "Jitr", replace(DEFAULTS, **changes))
        found = Annotations.from_stack(stack).find_info("*", Match.any_value())
        return [str(message.entry.data) for message in found]


def test_manage_turns_it_on_with_a_role_of_its_own(managed: Template) -> None:
    role, properties = named(managed, "AWS::IAM::Role", "AccountLoggingRole")
    resource = only(managed, RESOURCE_TYPE)
    (statement,) = properties["Properties"]["AssumeRolePolicyDocument"]["Statement"]

    assert resource["Properties"]["Mode"] == "manage"
    assert resource["Properties"]["RoleArn"] == {"Fn::GetAtt": [role, "Arn"]}
    assert resource["Properties"]["RetentionDays"] == 30
    assert statement["Principal"] == {"Service": "iot.amazonaws.com"}
    assert "aws:SourceAccount" in statement["Condition"]["StringEquals"]


def test_what_was_there_before_is_restored_after_the_stack_has_moved_under_a_stage() -> None:
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


def test_the_role_may_write_to_this_log_group_only(managed: Template) -> None:
    resources = {resource for _, resource in granted(managed, "AccountLoggingRole")}

    assert resources == {f"{GROUP}:*"}


def test_the_role_can_write_before_aws_iot_uses_it(managed: Template) -> None:
    resource = only(managed, RESOURCE_TYPE)

    assert any("AccountLoggingRoleDefaultPolicy" in each for each in resource["DependsOn"])


def test_the_function_may_change_this_log_group_only_and_pass_this_role_only(managed: Template) -> None:
    role, _ = named(managed, "AWS::IAM::Role", "AccountLoggingRole")
    may = granted(managed, "AccountLoggingOnEvent")

    assert {action for action, resource in may if resource == "*"} == {
        "iot:GetV2LoggingOptions",
        "iot:SetV2LoggingOptions",
        "logs:DescribeLogGroups",
    }
    assert ("iam:PassRole", f"${{{role}.Arn}}") in may
    of_the_group = {(action, resource) for action, resource in may if GROUP in resource}
    assert of_the_group == {
        ("logs:CreateLogGroup", f"{GROUP}:*"),
        ("logs:DeleteLogGroup", f"{GROUP}:*"),
        ("logs:DeleteRetentionPolicy", f"{GROUP}:*"),
        ("logs:DisassociateKmsKey", f"{GROUP}:*"),
        ("logs:ListTagsForResource", GROUP),
        ("logs:PutRetentionPolicy", f"{GROUP}:*"),
        ("logs:TagResource", GROUP),
        ("logs:UntagResource", GROUP),
    }
    assert {action for action, resource in may - of_the_group if action.startswith("logs:")} == {
        "logs:CreateLogStream",
        "logs:DescribeLogGroups",
        "logs:PutLogEvents",
    }


def test_the_passed_role_goes_to_aws_iot_only(managed: Template) -> None:
    (statement,) = (each for _, each in all_statements(managed) if each["Action"] == "iam:PassRole")

    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "iot.amazonaws.com"}}


def test_with_an_encryption_key_it_may_encrypt_this_log_group() -> None:
    under_key = scenario("everything_on")

    assert only(under_key, RESOURCE_TYPE)["Properties"]["EncryptionKeyArn"] == KEY
    assert ("logs:AssociateKmsKey", f"{GROUP}:*") in granted(under_key, "AccountLoggingOnEvent")


def test_an_adopted_log_gets_no_key() -> None:
    adopted_beside_a_key = scenario("foreign_stack")

    assert "EncryptionKeyArn" not in only(adopted_beside_a_key, RESOURCE_TYPE)["Properties"]
    may = {action for action, _ in granted(adopted_beside_a_key, "AccountLoggingOnEvent")}
    assert "logs:AssociateKmsKey" not in may


def test_adopt_needs_no_role_and_may_change_no_options(adopted: Template) -> None:
    may = {action for action, _ in granted(adopted, "AccountLoggingOnEvent")}

    assert only(adopted, RESOURCE_TYPE)["Properties"]["RoleArn"] == ""
    assert not may & {"iot:SetV2LoggingOptions", "iam:PassRole", "logs:DeleteLogGroup"}
    assert "logs:DisassociateKmsKey" not in may
    assert [name for name in of_type(adopted, "AWS::IAM::Role") if "AccountLoggingRole" in name] == []


def test_the_function_runs_the_handler_of_the_runtime(managed: Template) -> None:
    _, function = named(managed, "AWS::Lambda::Function", "AccountLoggingOnEvent")

    assert function["Properties"]["Handler"] == ACCOUNT_LOGGING_HANDLER


def test_failures_are_counted_after_the_log_group_exists(managed: Template) -> None:
    custom, _ = named(managed, RESOURCE_TYPE, "AccountLogging")
    metric_filter = only(managed, "AWS::Logs::MetricFilter")["Properties"]
    (transformation,) = metric_filter["MetricTransformations"]

    assert metric_filter["LogGroupName"] == {"Fn::GetAtt": [custom, "LogGroup"]}
    assert transformation["MetricName"] == "RegistrationFailures/iot-jitr/Jitr"


def test_the_alarm_watches_what_the_filter_counts(managed: Template) -> None:
    _, alarm = named(managed, "AWS::CloudWatch::Alarm", "AlarmsRegistrationFailures")
    (transformation,) = only(managed, "AWS::Logs::MetricFilter")["Properties"]["MetricTransformations"]

    assert alarm["Properties"]["MetricName"] == transformation["MetricName"]
    assert alarm["Properties"]["Namespace"] == transformation["MetricNamespace"]


def test_failures_of_registration_and_of_our_rules_are_counted_and_failed_connects_are_not() -> None:
    pattern = failure_pattern(["rule_1"])

    assert pattern == (
        '{ ($.status = "Failure") && (($.eventType = "*Regist*") || ($.eventType = "*Provision*") || '
        '($.eventType = "Connection.AuthNError") || ($.ruleName = "rule_1")) }'
    )


def test_a_query_over_it_is_saved(managed: Template) -> None:
    _, query = named(managed, "AWS::Logs::QueryDefinition", "FailuresOfAwsIot")

    assert "status = 'Failure'" in query["Properties"]["QueryString"]


def test_the_resource_of_cloudformation_is_not_used(managed: Template) -> None:
    assert of_type(managed, "AWS::IoT::Logging") == {}


def test_by_default_it_is_not_touched_and_the_synthesis_says_so(template: Template) -> None:
    assert of_type(template, RESOURCE_TYPE) == {}
    assert of_type(template, "AWS::Logs::MetricFilter") == {}
    (info,) = infos()
    assert "set 'manage'" in info


def test_the_shipped_app_manages_it() -> None:
    context = json.loads((Path(__file__).parents[2] / "cdk.json").read_text())["context"]

    assert context["jitr"]["account_logging"] == "manage"
