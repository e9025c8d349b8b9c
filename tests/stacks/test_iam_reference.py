"""Each statement is valid in IAM; roles allow exactly the calls that the code makes."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from iot_jitr import KmsSigner, PrivateCaSigner, SecretSigner
from iot_jitr.encryption import _ENCRYPT_AND_DECRYPT
from iot_jitr.network import _ATTACH, _LOOK
from iot_jitr_runtime import environment
from tests.support.api_calls import actions_of, calls_of
from tests.support.ca_builder import CaSpec
from tests.support.ca_certificates import WORKSHOP
from tests.support.iam_reference import IamReference
from tests.support.scenarios import CA_KEY, NAMES, PRIVATE_CA, scenario
from tests.support.stacks import (
    DEFAULTS,
    FACTORY_CA,
    Statement,
    all_statements,
    as_list,
    joined,
    of_type,
    template_of,
)

Template = dict[str, Any]
ARN = "arn:aws:{}:eu-central-1:123456789012:{}"
ARNS = {
    "AWS::DynamoDB::Table": ARN.format("dynamodb", "table/x"),
    "AWS::IAM::Role": "arn:aws:iam::123456789012:role/x",
    "AWS::KMS::Key": ARN.format("kms", "key/x"),
    "AWS::Lambda::Function": ARN.format("lambda", "function:x"),
    "AWS::Logs::LogGroup": ARN.format("logs", "log-group:x:*"),
    "AWS::S3::Bucket": "arn:aws:s3:::x",
    "AWS::SQS::Queue": ARN.format("sqs", "x"),
    "Custom::JitrCaCertificate": ARN.format("iot", "cacert/x"),
}
"""What CloudFormation, or our custom resource, returns as the ARN of a resource."""
PSEUDO = {"AWS::Partition": "aws", "AWS::Region": "eu-central-1", "AWS::AccountId": "123456789012"}
HANDLERS = {name: value for name, value in vars(environment).items() if name.endswith("_HANDLER")}


@pytest.fixture(scope="module")
def reference() -> IamReference:
    return IamReference.load()


def written_out(template: Template, resource: Any) -> str:
    """A resource of a statement with the values that the deployment inserts."""

    def filled(reference: re.Match[str]) -> str:
        name = reference[1]
        return PSEUDO.get(name) or ARNS[template["Resources"][name.partition(".")[0]]["Type"]]

    return re.sub(r"\$\{([^}]+)\}", filled, joined(resource))


def statements_of_roles(template: Template) -> Iterator[Statement]:
    for _, statement in all_statements(template):
        resources = [written_out(template, each) for each in as_list(statement["Resource"])]
        yield {**statement, "Resource": resources}


def statements_of_resources(value: Any) -> Iterator[Statement]:
    """The statements of queues, buckets and keys, and the trust of roles."""
    if isinstance(value, dict):
        if "Effect" in value and "Principal" in value:
            yield value
        for each in value.values():
            yield from statements_of_resources(each)
    elif isinstance(value, list):
        for each in value:
            yield from statements_of_resources(each)


@pytest.mark.parametrize("name", NAMES)
def test_each_statement_is_valid_in_iam(reference: IamReference, name: str) -> None:
    """The actions exist and take these resources; the condition keys apply."""
    found = scenario(name)

    assert [line for each in statements_of_roles(found) for line in reference.findings(each)] == []


@pytest.mark.parametrize("name", NAMES)
def test_resource_policies_name_only_existing_actions(reference: IamReference, name: str) -> None:
    found = list(statements_of_resources(scenario(name)))

    assert found
    assert [action for each in found for action in reference.unknown_actions(each)] == []


@pytest.mark.parametrize("name", NAMES)
def test_each_role_may_do_what_its_actions_depend_on(reference: IamReference, name: str) -> None:
    for actions in granted_by_role(scenario(name)).values():
        assert reference.missing_dependents(actions) == set()


WRONG = {
    "iot:AttachPolicies on a certificate": ("iot:AttachPolicies", ARN.format("iot", "cert/*"), {}),
    "a policy where a certificate is expected": ("iot:AttachPolicy", ARN.format("iot", "policy/*"), {}),
    "a resource where there is none": ("logs:DescribeLogGroups", ARN.format("logs", "log-group:*"), {}),
    "objects where the bucket is expected": ("s3:ListBucket", "arn:aws:s3:::x/index/*", {}),
    "everything where a resource is known": ("sqs:SendMessage", "*", {}),
    "one of two resources": ("iot:AddThingToThingGroup", ARN.format("iot", "thing/x"), {}),
    "an alias": ("kms:Sign", ARN.format("kms", "alias/x"), {}),
    "a foreign condition": (
        "sqs:SendMessage",
        ARN.format("sqs", "x"),
        {"StringEquals": {"kms:ViaService": "sqs"}},
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_statement_is_found(reference: IamReference, case: str) -> None:
    action, resource, condition = WRONG[case]

    (line,) = reference.findings({"Action": action, "Resource": [resource], "Condition": condition})

    assert line.startswith(f"{action}: ")


def test_a_missing_dependent_action_and_an_unknown_one_are_found(reference: IamReference) -> None:
    missing = reference.missing_dependents({"lambda:CreateFunction"})
    assert ("lambda:CreateFunction", "iam:PassRole") in missing
    assert list(reference.unknown_actions({"Action": ["sqs:*", "sqs:Send*", "sqs:Sent*"]})) == ["sqs:Sent*"]


# the calls of the code


def granted_by_role(template: Template) -> dict[str, set[str]]:
    granted: dict[str, set[str]] = {}
    for policy in of_type(template, "AWS::IAM::Policy").values():
        (role,) = (each["Ref"] for each in policy["Properties"]["Roles"])
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            granted.setdefault(role, set()).update(as_list(statement["Action"]))
    return granted


@pytest.fixture(scope="module")
def granted() -> dict[str, set[str]]:
    """Handler -> all actions that its role may call, over all scenarios and signers."""
    line = CaSpec("Line CA").build().pem
    signers = replace(
        DEFAULTS,
        cas=(
            replace(FACTORY_CA, signer=SecretSigner("x", CA_KEY)),
            replace(FACTORY_CA, name="Workshop", certificate=WORKSHOP, signer=KmsSigner(CA_KEY)),
            replace(FACTORY_CA, name="Line", certificate=line, signer=PrivateCaSigner(PRIVATE_CA)),
        ),
    )
    found: dict[str, set[str]] = {}
    for template in (*map(scenario, NAMES), template_of(signers)):
        of_role = granted_by_role(template)
        for function in of_type(template, "AWS::Lambda::Function").values():
            role = function["Properties"]["Role"]["Fn::GetAtt"][0]
            found.setdefault(function["Properties"]["Handler"], set()).update(of_role[role])
    return found


BESIDES_ITS_CALLS = {
    **dict.fromkeys((*_ATTACH, *_LOOK), "Lambda puts a function into a VPC with the function's role"),
    **dict.fromkeys(_ENCRYPT_AND_DECRYPT, "the service that holds data calls KMS with the caller's role"),
    "iam:PassRole": "SetV2LoggingOptions hands a role to AWS IoT",
    "logs:CreateLogStream": "Lambda writes the function's log",
    "logs:PutLogEvents": "Lambda writes the function's log",
    "s3:GetObjectVersion": "GetObject of a version is authorised so",
    "s3:ListBucket": "without it S3 hides that an object is missing",
    "secretsmanager:DescribeSecret": "grant_read of a secret covers it",
}
"""Permissions of roles that no call in the code of the function needs."""
OF_ITS_QUEUE = {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}
"""Actions that Lambda itself calls with the role of a function that receives from a queue."""


@pytest.mark.parametrize("name", HANDLERS)
def test_each_function_may_make_the_calls_of_its_code(granted: dict[str, set[str]], name: str) -> None:
    handler = HANDLERS[name]

    denied = {call for call in calls_of(handler) if not granted[handler] & set(call)}

    assert denied == set()


@pytest.mark.parametrize("name", HANDLERS)
def test_no_function_may_make_other_calls(granted: dict[str, set[str]], name: str) -> None:
    called = {action for call in calls_of(HANDLERS[name]) for action in call}
    besides = set(BESIDES_ITS_CALLS) | (OF_ITS_QUEUE if name == "ACTIVATOR_HANDLER" else set())

    assert granted[HANDLERS[name]] - called - besides == set()


def test_a_delete_connection_call_is_recognised_in_the_record_of_the_lab() -> None:
    assert actions_of("iotdata", "DELETE /connections/device-1") == ("iot:DeleteConnection",)
