"""One customer managed KMS key for everything that a pipeline stores, and the permissions to use it.

A role may use the key only through the service that holds the data (`kms:ViaService`): code that runs as a
function can read the data that the function reads, and cannot decrypt other data under the key.
https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
"""

import json
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from iot_jitr.references import written

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms
    from constructs import Construct

KEY_ARN = r"arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+"
"""Pattern of a KMS key's ARN; not of an alias, because permissions do not work with an alias."""
KEY_ARN_ALLOWED = "the ARN of a KMS key, arn:…:key/…"

_ENCRYPT_AND_DECRYPT = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
"""What CloudWatch Logs and DynamoDB need, wildcards written out
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html)."""


class KeyUse(Enum):
    """A role's use of encrypted data: the service that stores it, and the KMS calls that the use needs."""

    ENVIRONMENT = ("lambda", ("kms:Decrypt",))
    """Start with environment variables."""
    RECEIVE_MESSAGES = ("sqs", ("kms:Decrypt",))
    """Read a queue."""
    SEND_MESSAGES = ("sqs", ("kms:Decrypt", "kms:GenerateDataKey"))
    """Write to a queue (SQS developer guide, "Key management")."""
    TABLE = ("dynamodb", _ENCRYPT_AND_DECRYPT)
    """Read and write a table (DynamoDB developer guide, "Authorizing use of your customer managed key")."""
    READ_OBJECTS = ("s3", ("kms:Decrypt",))
    """Read a bucket."""
    WRITE_OBJECTS = ("s3", ("kms:Decrypt", "kms:GenerateDataKey"))
    """Write to a bucket; Decrypt is for uploads in parts."""


@dataclass(frozen=True)
class Encryption:
    """The key of a pipeline, or none: then AWS's own keys are used, which need no permission."""

    key: "kms.IKey | None" = None
    """The customer managed key."""

    def permissions(self, *uses: KeyUse) -> list[iam.PolicyStatement]:
        """Return a role's permissions for `uses` of the key, one statement a service; none without a key."""
        return [] if self.key is None else key_permissions(self.key.key_arn, *uses)

    def allow_logs(self, scope: "Construct", *others: str) -> None:
        """Allow CloudWatch Logs to encrypt the log groups of the stack of `scope`, and `others` by name.

        The stack cannot change the policy of an imported key: a warning contains the statements that it
        needs.
        """
        if self.key is None:
            return
        stack = cdk.Stack.of(scope)
        statement = _for_logs(stack, *others)
        if self.key.add_to_resource_policy(statement).statement_added:
            return
        late = stack.resolve(stack.to_json_string(statement.to_statement_json()))
        text = json.dumps(json.loads(written(late, lambda name: f"${{{name}}}")))
        cdk.Annotations.of(scope).add_warning_v2(
            "iot-jitr:imported-encryption-key",
            "the policy of the imported encryption key cannot be changed from here; before the deployment it "
            "must let the account's IAM policies take effect, and contain this, or no log group can be made: "
            f"{text} (docs/security.md#encryption-at-rest)",
        )


def is_alias(key: "kms.IKey") -> bool:
    """Whether a KMS key of the CDK is known to be an alias; IAM does not match an alias."""
    return hasattr(key, "alias_name") or ":alias/" in key.key_arn


def key_permissions(key_arn: str, *uses: KeyUse) -> list[iam.PolicyStatement]:
    """Return the permissions of a role for `uses` of a key, one statement for each service."""
    actions_of: dict[str, set[str]] = {}
    for use in uses:
        service, actions = use.value
        actions_of.setdefault(service, set()).update(actions)
    return [
        iam.PolicyStatement(
            actions=sorted(actions),
            resources=[key_arn],
            conditions={"StringEquals": {"kms:ViaService": _names_of(service)}},
        )
        for service, actions in sorted(actions_of.items())
    ]


def _names_of(service: str) -> list[str]:
    """Return the names of a service in KMS: AWS does not document whether one ends in `.cn` in China."""
    return [f"{service}.{cdk.Aws.REGION}.amazonaws.com{china}" for china in ("", ".cn")]


def _for_logs(stack: cdk.Stack, *others: str) -> iam.PolicyStatement:
    # CloudFormation's generated names begin with the stack's name; a nested stack's name is not known yet.
    name = "" if cdk.Token.is_unresolved(stack.stack_name) else f"{stack.stack_name}-"
    log_groups = [
        stack.format_arn(
            service="logs",
            resource="log-group",
            resource_name=log_group,
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        for log_group in (f"{name}*", *others)
    ]
    return iam.PolicyStatement(
        principals=[iam.ServicePrincipal(f"logs.{stack.region}.{stack.url_suffix}")],
        actions=[*_ENCRYPT_AND_DECRYPT],
        # In a key's own policy, `*` is that key.
        resources=["*"],
        conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": log_groups}},
    )
