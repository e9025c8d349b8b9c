"""Invariant 8: a role allows only what its function needs, on named resources where AWS supports it."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from iot_jitr import AccountLoggingMode, ConnectGuard, CrlBucket
from iot_jitr.permissions import WITHOUT_RESOURCE, without_resource
from tests.support.scenarios import scenario
from tests.support.stacks import (
    DEFAULTS,
    all_statements,
    as_list,
    granted,
    named,
    of_type,
    only,
    readable,
    statements,
    template_of,
    with_ca,
)

SECURITY = Path(__file__).parents[2] / "docs" / "security.md"
Template = dict[str, Any]
IOT = "arn:${AWS::Partition}:iot:${AWS::Region}:${AWS::AccountId}"
CERTIFICATES = f"{IOT}:cert/*"
LOG = "logs:CreateLogStream logs:PutLogEvents"
READ_CA = {"${CaFactory.CaCertificateArn}": "iot:DescribeCACertificate"}
READ_INDEXES = {
    "${RevocationBucketObjects.Arn}": "s3:ListBucket",
    "${RevocationBucketObjects.Arn}/index/*": "s3:GetObject",
}
GROUP = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:AWSIotLogsV2"
TAG_GROUP = {GROUP: "logs:ListTagsForResource logs:TagResource logs:UntagResource"}
SECRET = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:"
CONFIGURATIONS = {
    "defaults": DEFAULTS,
    "managed log": replace(DEFAULTS, account_logging=AccountLoggingMode.MANAGE),
    "adopted log": replace(DEFAULTS, account_logging=AccountLoggingMode.ADOPT),
    "with CRLs": replace(with_ca(revocation=CrlBucket()), connect_guard=ConnectGuard("refuse")),
}
OF_THE_ACTIVATOR = {
    "${ActivatorFunctionLogs.Arn}": LOG,
    "${LedgerTable.Arn}": "dynamodb:BatchGetItem dynamodb:GetItem dynamodb:PutItem dynamodb:UpdateItem",
    "${QueuesActivation.Arn}": (
        "sqs:ChangeMessageVisibility sqs:DeleteMessage sqs:GetQueueAttributes sqs:ReceiveMessage"
    ),
    "${QueuesDeadLetters.Arn}": "sqs:SendMessage",
    CERTIFICATES: "iot:AttachPolicy iot:DescribeCertificate iot:UpdateCertificate",
    **READ_CA,
}
OF_THE_RECONCILER = {
    "${ReconcilerFunctionLogs.Arn}": LOG,
    "${LedgerTable.Arn}": "dynamodb:BatchGetItem dynamodb:GetItem dynamodb:UpdateItem",
    "${LedgerTable.Arn}/index/tasks": "dynamodb:Query",
    "${QueuesActivation.Arn}": "sqs:SendMessage",
    CERTIFICATES: "iot:DescribeCertificate",
    "*": "iot:ListCertificatesByCA",
    **READ_CA,
}
EXACTLY: dict[tuple[str, str], dict[str, str]] = {
    ("defaults", "Activator"): OF_THE_ACTIVATOR,
    ("defaults", "Reconciler"): OF_THE_RECONCILER,
    ("defaults", "RulesRole"): {
        "${QueuesActivation.Arn}": "sqs:SendMessage",
        "${QueuesDeadLetters.Arn}": "sqs:SendMessage",
    },
    ("defaults", "CaRegistrationOnEvent"): {
        "${CaRegistrationOnEventLogs.Arn}": LOG,
        "*": "iot:GetRegistrationCode iot:ListCACertificates iot:RegisterCACertificate",
        f"{IOT}:cacert/*": (
            "iot:DeleteCACertificate iot:DescribeCACertificate iot:ListTagsForResource iot:TagResource "
            "iot:UntagResource iot:UpdateCACertificate"
        ),
        f"{SECRET}iot-jitr/factory-ca-key-??????": "secretsmanager:GetSecretValue",
    },
    ("managed log", "AccountLoggingRole"): {
        f"{GROUP}:*": "logs:CreateLogGroup logs:CreateLogStream logs:PutLogEvents"
    },
    ("managed log", "AccountLoggingOnEvent"): {
        "${AccountLoggingOnEventLogs.Arn}": LOG,
        "*": "iot:GetV2LoggingOptions iot:SetV2LoggingOptions logs:DescribeLogGroups",
        "${AccountLoggingRole.Arn}": "iam:PassRole",
        f"{GROUP}:*": (
            "logs:CreateLogGroup logs:DeleteLogGroup logs:DeleteRetentionPolicy logs:DisassociateKmsKey "
            "logs:PutRetentionPolicy"
        ),
        **TAG_GROUP,
    },
    ("adopted log", "AccountLoggingOnEvent"): {
        "${AccountLoggingOnEventLogs.Arn}": LOG,
        "*": "iot:GetV2LoggingOptions logs:DescribeLogGroups",
        f"{GROUP}:*": "logs:CreateLogGroup",
        **TAG_GROUP,
    },
    ("with CRLs", "Activator"): {**OF_THE_ACTIVATOR, **READ_INDEXES},
    ("with CRLs", "Reconciler"): {**OF_THE_RECONCILER, **READ_INDEXES},
    ("with CRLs", "Publisher"): {
        "${RevocationPublisherFunctionLogs.Arn}": LOG,
        **READ_CA,
        "${RevocationBucketObjects.Arn}": "s3:ListBucket",
        "${RevocationBucketObjects.Arn}/index/*": "s3:GetObject s3:PutObject",
        "${RevocationBucketObjects.Arn}/crl/Factory/*": "s3:GetObject",
    },
    ("with CRLs", "Sweep"): {
        "${RevocationSweepFunctionLogs.Arn}": LOG,
        **READ_CA,
        "${RevocationBucketObjects.Arn}": "s3:ListBucket",
        "${RevocationBucketObjects.Arn}/index/*": "s3:GetObject s3:GetObjectVersion",
        "${LedgerTable.Arn}": (
            "dynamodb:BatchGetItem dynamodb:DescribeTable dynamodb:GetItem dynamodb:PutItem dynamodb:Scan "
            "dynamodb:UpdateItem"
        ),
        **{
            f"${{LedgerTable.Arn}}/index/{name}": "dynamodb:Query"
            for name in ("ca-serial", "suspended", "tasks")
        },
        CERTIFICATES: "iot:AttachPolicy iot:DescribeCertificate iot:UpdateCertificate",
        f"{IOT}:client/*": "iot:DeleteConnection",
    },
    ("with CRLs", "ConnectGuard"): {"${RevocationConnectGuardFunctionLogs.Arn}": LOG, **READ_INDEXES},
}
"""Each role → actions for each resource. Only the sweep revokes: it has the mass-revocation limit."""


@pytest.mark.parametrize(("configuration", "part"), EXACTLY, ids=" ".join)
def test_a_role_has_exactly_these_permissions(configuration: str, part: str) -> None:
    found: dict[str, set[str]] = {}
    for statement in readable(statements(template_of(CONFIGURATIONS[configuration]), part)):
        for resource in as_list(statement["Resource"]):
            found.setdefault(resource, set()).update(as_list(statement["Action"]))

    assert {resource: " ".join(sorted(actions)) for resource, actions in found.items()} == (
        EXACTLY[configuration, part]
    )


def test_the_activator_may_not_touch_the_state_of_a_sweep(template: Template) -> None:
    """A compromised activator must not be able to confirm a mass revocation."""
    (statement,) = (s for s in statements(template, "Activator") if "dynamodb:" in str(s["Action"]))

    assert statement["Condition"] == {"ForAllValues:StringNotLike": {"dynamodb:LeadingKeys": ["#sweep/*"]}}


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


def test_statements_allow_named_actions_and_use_star_only_without_resource_type(template: Template) -> None:
    found = [statement for _, statement in all_statements(template)]
    on_all = {
        action for each in found if "*" in as_list(each["Resource"]) for action in as_list(each["Action"])
    }

    assert {each["Effect"] for each in found} == {"Allow"}
    assert [each for each in found if "*" in "".join(as_list(each["Action"]))] == []
    assert on_all
    assert on_all <= set(WITHOUT_RESOURCE)


def test_an_action_with_a_resource_type_cannot_be_allowed_on_star() -> None:
    with pytest.raises(ValueError, match=r"iot:UpdateCertificate: name the resource"):
        without_resource("iot:GetRegistrationCode", "iot:UpdateCertificate")


def test_no_iam_user_key_managed_policy_or_access_to_other_accounts_is_made(template: Template) -> None:
    kinds = {resource["Type"] for resource in template["Resources"].values()}

    assert not kinds & {"AWS::IAM::User", "AWS::IAM::AccessKey", "AWS::Lambda::Url"}
    for name, role in of_type(template, "AWS::IAM::Role").items():
        assert "ManagedPolicyArns" not in role["Properties"], name


# trust of roles, and permissions to invoke


def test_each_function_has_a_role_of_its_own_for_lambda_alone_and_writes_to_its_own_log_group_only(
    template: Template,
) -> None:
    functions = [each["Properties"] for each in of_type(template, "AWS::Lambda::Function").values()]
    roles = [each["Role"]["Fn::GetAtt"][0] for each in functions]

    assert len(roles) == len(set(roles)) == 4
    for function, role in zip(functions, roles, strict=True):
        trust = template["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert [each["Principal"] for each in trust] == [{"Service": "lambda.amazonaws.com"}]
        may_log_to = {
            readable(statement["Resource"])
            for name, statement in all_statements(template)
            if {"Ref": role} in template["Resources"][name]["Properties"]["Roles"]
            and "logs:PutLogEvents" in as_list(statement["Action"])
        }
        assert may_log_to == {readable(function["LoggingConfig"]["LogGroup"]).replace("}", ".Arn}")}


def test_only_rules_of_this_account_may_take_the_role(template: Template) -> None:
    _, role = named(template, "AWS::IAM::Role", "RulesRole")

    (statement,) = readable(role["Properties"]["AssumeRolePolicyDocument"]["Statement"])

    assert statement["Principal"] == {"Service": "iot.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "${AWS::AccountId}"},
        "ArnLike": {"aws:SourceArn": f"{IOT}:rule/*"},
    }


def test_queues_refuse_plain_http(template: Template) -> None:
    policies = of_type(template, "AWS::SQS::QueuePolicy").values()

    for policy in policies:
        (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
        assert statement["Effect"] == "Deny"
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    covered = {each["Ref"] for policy in policies for each in policy["Properties"]["Queues"]}
    assert covered == set(of_type(template, "AWS::SQS::Queue"))


def test_only_the_schedule_of_this_stack_may_invoke_a_function(template: Template) -> None:
    assert readable(only(template, "AWS::Lambda::Permission")["Properties"]) == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": "${ReconcilerFunction.Arn}",
        "Principal": "events.amazonaws.com",
        "SourceArn": "${ReconcilerSchedule.Arn}",
    }
