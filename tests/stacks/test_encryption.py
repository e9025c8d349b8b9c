"""One customer managed key for everything at rest, and the permissions to use it."""

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms

from iot_jitr import JitrStack
from iot_jitr.encryption import Encryption
from iot_jitr_runtime.account_logging.properties import LOG_GROUP
from tests.support.scenarios import KEY, SCENARIOS, foreign, scenario
from tests.support.stacks import (
    all_statements,
    app_without_bundling,
    as_list,
    joined,
    named,
    of_type,
    only,
    template,
    template_of,
    warnings,
)

Template = dict[str, Any]
VIA = ".${AWS::Region}.amazonaws.com"
TABLE = {
    "Decrypt",
    "DescribeKey",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
}
WRITE = {"Decrypt", "GenerateDataKey"}
READ = {"Decrypt"}


@pytest.fixture(scope="module")
def own_key() -> Template:
    """The key is made in the same stack."""
    return scenario("foreign_stack")


@pytest.fixture(scope="module")
def imported_key() -> Template:
    return scenario("everything_on")


def key_of(properties: dict[str, Any], *path: str | int) -> Any:
    found: Any = properties
    for step in path:
        found = found[step]
    return found


AT_REST: dict[str, tuple[str | int, ...]] = {
    "AWS::DynamoDB::Table": ("SSESpecification", "KMSMasterKeyId"),
    "AWS::Lambda::Function": ("KmsKeyArn",),
    "AWS::Logs::LogGroup": ("KmsKeyId",),
    "AWS::S3::Bucket": (
        "BucketEncryption",
        "ServerSideEncryptionConfiguration",
        0,
        "ServerSideEncryptionByDefault",
        "KMSMasterKeyID",
    ),
    "AWS::SQS::Queue": ("KmsMasterKeyId",),
}
"""Each type of resource that stores data, and where it names its key."""


@pytest.mark.parametrize("kind", AT_REST)
def test_everything_at_rest_is_encrypted_with_the_key(
    own_key: Template, imported_key: Template, kind: str
) -> None:
    key, _ = named(own_key, "AWS::KMS::Key", "")

    assert of_type(own_key, kind)
    for name, resource in of_type(own_key, kind).items():
        assert joined(key_of(resource["Properties"], *AT_REST[kind])) == f"${{{key}.Arn}}", name
    for name, resource in of_type(imported_key, kind).items():
        assert key_of(resource["Properties"], *AT_REST[kind]) == KEY, name


def test_no_other_resource_type_has_an_encryption_setting(imported_key: Template) -> None:
    """This test fails for a new type of resource that has such a setting."""
    kinds = {
        each["Type"]
        for each in imported_key["Resources"].values()
        if any("kms" in key.lower() or "sse" in key.lower() for key in each.get("Properties", {}))
    }

    assert kinds | {"AWS::S3::Bucket"} == set(AT_REST)


def test_without_a_customer_managed_key_no_role_has_kms_permissions() -> None:
    assert "kms" not in str(template_of(SCENARIOS["revocation"])).lower()


def test_each_role_may_use_the_key_only_through_the_services_that_it_uses(
    imported_key: Template,
) -> None:
    found: dict[str, dict[str, set[str]]] = {}
    for policy, statement in all_statements(imported_key):
        if any(action.startswith("kms:") for action in as_list(statement["Action"])) and (
            statement["Resource"] == KEY
        ):
            service = joined(statement["Condition"]["StringEquals"]["kms:ViaService"][0]).removesuffix(VIA)
            actions = {action.removeprefix("kms:") for action in as_list(statement["Action"])}
            role = policy.removeprefix("Jitr").partition("Role")[0]
            found.setdefault(role, {}).setdefault(service, set()).update(actions)

    start = {"lambda": READ}
    assert found == {
        "ActivatorFunction": start | {"sqs": WRITE, "dynamodb": TABLE, "s3": READ},
        "ReconcilerFunction": start | {"sqs": WRITE, "dynamodb": TABLE, "s3": READ},
        "RevocationPublisherFunction": start | {"s3": WRITE},
        "RevocationSweepFunction": start | {"dynamodb": TABLE, "s3": READ},
        "RevocationConnectGuardFunction": start | {"s3": READ},
        "CaRegistrationOnEvent": start,
        "CaRegistrationFramework": start,
        "AccountLoggingOnEvent": start,
        "AccountLoggingFramework": start,
        "Rules": {"sqs": WRITE},
    }


def test_no_statement_about_keys_has_a_wildcard(own_key: Template, imported_key: Template) -> None:
    for each in (own_key, imported_key):
        for _, statement in all_statements(each):
            if any(action.startswith("kms:") for action in as_list(statement["Action"])):
                assert "*" not in "".join(map(joined, as_list(statement["Resource"])))
                assert "*" not in "".join(as_list(statement["Action"]))


def test_a_key_of_this_app_lets_cloudwatch_logs_encrypt_the_log_groups_of_this_stack(
    own_key: Template,
) -> None:
    administration, of_logs = only(own_key, "AWS::KMS::Key")["Properties"]["KeyPolicy"]["Statement"]

    assert joined(administration["Principal"]["AWS"]).endswith(":iam::123456789012:root")
    assert joined(of_logs["Principal"]["Service"]) == "logs.eu-central-1.${AWS::URLSuffix}"
    assert {action.removeprefix("kms:") for action in of_logs["Action"]} == TABLE
    (context,) = of_logs["Condition"]["ArnLike"].items()
    assert (context[0], [joined(each) for each in context[1]]) == (
        "kms:EncryptionContext:aws:logs:arn",
        ["arn:aws:logs:eu-central-1:123456789012:log-group:Company-*"],
    )


def test_the_key_policy_allows_the_log_group_of_aws_iot() -> None:
    with app_without_bundling() as app:
        stack = cdk.Stack(app, "Company")
        Encryption(kms.Key(stack, "Key")).allow_logs(stack, LOG_GROUP)
        _, of_logs = only(template(stack), "AWS::KMS::Key")["Properties"]["KeyPolicy"]["Statement"]

    groups = of_logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    assert [joined(each).partition("log-group:")[2] for each in groups] == ["Company-*", "AWSIotLogsV2"]


def test_an_imported_key_causes_a_warning_with_the_required_policy_statement() -> None:
    with app_without_bundling() as app:
        imported = JitrStack(app, "Imported", SCENARIOS["everything_on"])
        found = [text for text in warnings(imported) if "imported encryption key" in text]
        made, _ = foreign(app)
        none = [text for text in warnings(made) if "imported encryption key" in text]

    (warning,) = found
    assert '"Principal": {"Service": "logs.${AWS::Region}.${AWS::URLSuffix}"}' in warning
    assert "log-group:iot-jitr-*" in warning
    assert "log-group:AWSIotLogsV2" in warning
    assert "docs/security.md#encryption-at-rest" in warning
    assert none == []


def test_the_key_of_an_existing_bucket_may_only_be_used_to_decrypt(own_key: Template) -> None:
    (statement,) = (statement for _, statement in all_statements(own_key) if statement["Resource"] == KEY)

    assert statement["Action"] == "kms:Decrypt"
    assert joined(statement["Condition"]["StringEquals"]["kms:ViaService"][0]) == f"s3{VIA}"


def test_a_bucket_under_a_key_has_a_bucket_key(
    imported_key: Template,
) -> None:
    bucket = only(imported_key, "AWS::S3::Bucket")["Properties"]
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]

    assert rule["BucketKeyEnabled"] is True
