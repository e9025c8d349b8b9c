"""Invariant 8: a role may do only what its function needs, on what AWS lets be named."""

import re
from pathlib import Path
from typing import Any

import pytest

from iot_jitr.permissions import WITHOUT_RESOURCE, without_resource
from iot_jitr_runtime.sweep.state import STATE_PREFIX
from tests.support.scenarios import scenario
from tests.support.stacks import all_statements, as_list, granted, joined, named, of_type, statements

SECURITY = Path(__file__).parents[2] / "docs" / "security.md"
Template = dict[str, Any]
IOT = "arn:${AWS::Partition}:iot:${AWS::Region}:${AWS::AccountId}"


def test_no_action_is_allowed_by_a_wildcard(template: Template) -> None:
    actions = [action for _, statement in all_statements(template) for action in as_list(statement["Action"])]

    assert actions
    assert [action for action in actions if "*" in action] == []


def test_only_actions_that_know_no_resource_are_allowed_on_all(template: Template) -> None:
    on_all = {
        action
        for _, statement in all_statements(template)
        if "*" in as_list(statement["Resource"])
        for action in as_list(statement["Action"])
    }

    assert on_all
    assert on_all <= set(WITHOUT_RESOURCE)


def test_an_action_that_knows_a_resource_cannot_be_allowed_on_all() -> None:
    with pytest.raises(ValueError, match=r"iot:UpdateCertificate: name the resource"):
        without_resource("iot:GetRegistrationCode", "iot:UpdateCertificate")


def test_no_role_has_a_managed_policy(template: Template) -> None:
    roles = of_type(template, "AWS::IAM::Role")

    assert roles
    assert [name for name, role in roles.items() if "ManagedPolicyArns" in role["Properties"]] == []


def test_every_statement_allows(template: Template) -> None:
    assert {statement["Effect"] for _, statement in all_statements(template)} == {"Allow"}


def test_the_activator_may_do_exactly_this(template: Template) -> None:
    table, _ = named(template, "AWS::DynamoDB::Table", "Ledger")
    queue, _ = named(template, "AWS::SQS::Queue", "QueuesActivation")
    dead_letters, _ = named(template, "AWS::SQS::Queue", "DeadLetters")
    log_group, _ = named(template, "AWS::Logs::LogGroup", "Activator")
    ca, _ = named(template, "Custom::JitrCaCertificate", "Factory")

    assert granted(template, "Activator") == {
        *((f"logs:{action}", f"${{{log_group}.Arn}}") for action in ("CreateLogStream", "PutLogEvents")),
        *(
            (f"dynamodb:{action}", f"${{{table}.Arn}}")
            for action in ("BatchGetItem", "GetItem", "PutItem", "UpdateItem")
        ),
        *(
            (f"sqs:{action}", f"${{{queue}.Arn}}")
            for action in ("ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "ReceiveMessage")
        ),
        ("sqs:SendMessage", f"${{{dead_letters}.Arn}}"),
        *(
            (f"iot:{action}", f"{IOT}:cert/*")
            for action in ("AttachPolicy", "DescribeCertificate", "UpdateCertificate")
        ),
        ("iot:DescribeCACertificate", f"${{{ca}.CaCertificateArn}}"),
    }


def test_the_page_about_security_names_every_call_that_a_compromised_activator_could_make() -> None:
    section = SECURITY.read_text().partition("### A compromised function")[2].partition("\n### ")[0]
    rows = "".join(line for line in section.splitlines() if line.startswith("|"))
    named_there = set(re.findall(r"`([A-Z][A-Za-z]+)`", rows))
    calls = {
        action.partition(":")[2]
        for action, _ in granted(scenario("everything_on"), "Activator")
        if action.startswith(("iot:", "sqs:", "dynamodb:", "s3:GetObject", "lambda:", "events:"))
    }

    assert {call for call in calls if not call.startswith(("GetQueue", "BatchGet"))} - named_there == set()


def test_the_activator_may_not_touch_the_state_of_a_sweep(template: Template) -> None:
    """A compromised activator must not confirm a mass revocation that waits for a person."""
    of_ledger = [each for each in statements(template, "Activator") if "dynamodb:" in str(each["Action"])]

    (statement,) = of_ledger
    assert statement["Condition"] == {
        "ForAllValues:StringNotLike": {"dynamodb:LeadingKeys": [f"{STATE_PREFIX}*"]}
    }


def test_the_reconciler_may_change_no_certificate(template: Template) -> None:
    table, _ = named(template, "AWS::DynamoDB::Table", "Ledger")
    queue, _ = named(template, "AWS::SQS::Queue", "QueuesActivation")
    log_group, _ = named(template, "AWS::Logs::LogGroup", "Reconciler")
    ca, _ = named(template, "Custom::JitrCaCertificate", "Factory")

    assert granted(template, "Reconciler") == {
        *((f"logs:{action}", f"${{{log_group}.Arn}}") for action in ("CreateLogStream", "PutLogEvents")),
        *(
            (f"dynamodb:{action}", f"${{{table}.Arn}}")
            for action in ("BatchGetItem", "GetItem", "UpdateItem")
        ),
        ("dynamodb:Query", f"${{{table}.Arn}}/index/tasks"),
        ("sqs:SendMessage", f"${{{queue}.Arn}}"),
        ("iot:DescribeCertificate", f"{IOT}:cert/*"),
        ("iot:DescribeCACertificate", f"${{{ca}.CaCertificateArn}}"),
        ("iot:ListCertificatesByCA", "*"),
    }


def test_topic_rules_may_only_send_to_the_two_queues(template: Template) -> None:
    queues = {f"${{{name}.Arn}}" for name in of_type(template, "AWS::SQS::Queue")}

    assert granted(template, "RulesRole") == {("sqs:SendMessage", arn) for arn in queues}


def test_only_rules_of_this_account_may_take_the_role(template: Template) -> None:
    _, role = named(template, "AWS::IAM::Role", "RulesRole")

    (statement,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]

    assert statement["Principal"] == {"Service": "iot.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    assert joined(statement["Condition"]["ArnLike"]["aws:SourceArn"]) == f"{IOT}:rule/*"


def test_functions_are_taken_by_lambda_alone(template: Template) -> None:
    for name, function in of_type(template, "AWS::Lambda::Function").items():
        role, _ = function["Properties"]["Role"]["Fn::GetAtt"]
        (statement,) = template["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}, name


def test_each_function_has_a_role_of_its_own(template: Template) -> None:
    roles = [
        each["Properties"]["Role"]["Fn::GetAtt"][0]
        for each in of_type(template, "AWS::Lambda::Function").values()
    ]

    assert len(roles) == len(set(roles)) == 4


def test_each_function_writes_to_its_own_log_group_only(template: Template) -> None:
    for function in of_type(template, "AWS::Lambda::Function").values():
        role = function["Properties"]["Role"]["Fn::GetAtt"][0]
        log_group = function["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]
        may_log_to = {
            joined(statement["Resource"])
            for name, statement in all_statements(template)
            if role in [each["Ref"] for each in template["Resources"][name]["Properties"]["Roles"]]
            and any(action.startswith("logs:") for action in as_list(statement["Action"]))
        }
        assert may_log_to == {f"${{{log_group}.Arn}}"}


def test_queues_refuse_plain_http(template: Template) -> None:
    policies = of_type(template, "AWS::SQS::QueuePolicy")

    covered = {
        each["Ref"]
        for policy in policies.values()
        for each in policy["Properties"]["Queues"]
        if policy["Properties"]["PolicyDocument"]["Statement"][0]["Effect"] == "Deny"
        and policy["Properties"]["PolicyDocument"]["Statement"][0]["Condition"]
        == {"Bool": {"aws:SecureTransport": "false"}}
    }

    assert covered == set(of_type(template, "AWS::SQS::Queue"))


def test_no_iam_user_key_or_access_to_other_accounts_is_made(template: Template) -> None:
    kinds = {resource["Type"] for resource in template["Resources"].values()}

    assert not kinds & {
        "AWS::IAM::User",
        "AWS::IAM::AccessKey",
        "AWS::Lambda::Url",
    }


def test_only_the_schedule_of_this_stack_may_invoke_a_function(template: Template) -> None:
    schedule, _ = named(template, "AWS::Events::Rule", "ReconcilerSchedule")
    reconciler, _ = named(template, "AWS::Lambda::Function", "Reconciler")
    (permission,) = of_type(template, "AWS::Lambda::Permission").values()

    allowed = {name: joined(value) for name, value in permission["Properties"].items()}

    assert allowed == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": f"${{{reconciler}.Arn}}",
        "Principal": "events.amazonaws.com",
        "SourceArn": f"${{{schedule}.Arn}}",
    }
