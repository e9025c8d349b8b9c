"""The least IAM policy: valid for AWS, for this deployment only. End-to-end tests show that it is enough."""

from typing import Any

import pytest
from policy_sentry.querying.actions import get_action_data

from iot_jitr_cli.deployment import Deployment
from iot_jitr_cli.least_policy import Resources
from iot_jitr_cli.verify.permissions import minimal_policy
from iot_jitr_runtime.stack_outputs import Output

OUTPUTS = {
    "FactoryCaCertificateId": "ca" * 32,
    Output.ACTIVATION_QUEUE_URL: "https://sqs/123456789012/activation",
    Output.DEAD_LETTER_QUEUE_URL: "https://sqs/123456789012/dead-letters",
    Output.LEDGER_TABLE: "ledger",
}
SHARED = {Output.DEVICE_POLICY_NAME: "shared"}
WITH_CRL = {Output.REVOCATION_BUCKET: "indexes", "FactoryCrlLocation": "s3://crls/crl/Factory/"}
GUARD = {
    Output.CONNECT_GUARD_DOMAIN_CONFIGURATION: "devices",
    Output.CONNECT_GUARD_LOG_GROUP: "guard",
}
EVERYTHING = {**WITH_CRL, **GUARD, Output.ALLOW_LIST_TABLE: "list"}


def statements(**more: str) -> dict[str, Any]:
    deployment = Deployment("stack", "cn-north-1", {**OUTPUTS, **more})
    document = minimal_policy(Resources(deployment, "123456789012", "aws-cn"))
    return {statement["Sid"]: statement for statement in document["Statement"]}


def test_every_action_supports_the_resources_that_it_is_allowed_on() -> None:
    for sid, statement in statements(**EVERYTHING).items():
        for action in statement["Action"]:
            service, name = action.split(":")
            found = get_action_data(service, name)
            assert found, action
            kinds = {entry["resource_arn_format"].split(":", 2)[-1] for entry in found[service]}
            assert statement["Resource"] == ["*"] or kinds != {"*"}, (sid, action)


@pytest.mark.parametrize(
    ("more", "without"),
    [
        (SHARED, {"DevicePolicies", "AllowList", "Indexes", "Crls", "GuardLog", "GuardedDomain"}),
        (
            {**SHARED, **WITH_CRL, **GUARD, "FactoryCrlLocation": "https://crl"},
            {"DevicePolicies", "AllowList", "Crls"},
        ),
        ({**SHARED, **EVERYTHING}, {"DevicePolicies"}),
        (EVERYTHING, set()),
    ],
)
def test_the_policy_omits_parts_that_are_not_deployed(more: dict[str, str], without: set[str]) -> None:
    assert set(statements(**EVERYTHING)) - set(statements(**more)) == without


def test_the_policy_names_only_resources_of_this_deployment() -> None:
    found = {sid: statement["Resource"] for sid, statement in statements(**EVERYTHING).items()}

    assert found["DeadLetters"] == ["arn:aws-cn:sqs:cn-north-1:123456789012:dead-letters"]
    assert found["Ledger"] == ["arn:aws-cn:dynamodb:cn-north-1:123456789012:table/ledger"]
    assert found["Crls"] == ["arn:aws-cn:s3:::crls/crl/Factory/*"]
    group = "arn:aws-cn:logs:cn-north-1:123456789012:log-group:guard"
    assert found["GuardLog"] == [group, f"{group}:*"]
    assert found["GuardedDomain"] == ["arn:aws-cn:iot:cn-north-1:123456789012:domainconfiguration/devices/*"]
    assert [sid for sid, resources in found.items() if "*" in resources] == ["WithoutResource"]
