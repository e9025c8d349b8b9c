"""What the CA registration may do to sign: one secret, one key or one Private CA, and only that."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from iot_jitr_runtime.ca_registration.sources import (
    KmsSource,
    PrivateCaSource,
    SecretSource,
    Source,
    verification_template_arn,
)
from iot_jitr_runtime.errors import JitrError

if TYPE_CHECKING:
    from constructs import Construct

_SUFFIX = r"-[A-Za-z0-9]{6}"
"""Secrets Manager ends a secret's ARN in six characters of its own."""


class KmsAliasError(JitrError):
    """The KMS key is named by an alias."""


def signing_permissions(scope: "Construct", source: Source) -> Sequence[iam.PolicyStatement]:
    """The statements that `source` takes.

    Raises:
        KmsAliasError: The KMS key is named by an alias, for which no permission can be given.
    """
    match source:
        case SecretSource():
            return [
                _allow([_secret_arn(scope, source.secret_id)], "secretsmanager:GetSecretValue"),
                *([_allow([source.encryption_key_arn], "kms:Decrypt")] if source.encryption_key_arn else []),
            ]
        case KmsSource():
            return [_allow([_key_arn(source.key_arn)], "kms:GetPublicKey", "kms:Sign")]
        case PrivateCaSource():
            arn = source.certificate_authority_arn
            issue = _allow([arn], "acm-pca:IssueCertificate")
            issue.add_condition(
                "StringEquals", {"acm-pca:TemplateArn": verification_template_arn(_partition(scope, arn))}
            )
            return [
                issue,
                _allow([arn], "acm-pca:GetCertificate", "acm-pca:GetCertificateAuthorityCertificate"),
            ]
    return []


def _allow(resources: list[str], *actions: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=list(actions), resources=resources)


def _secret_arn(scope: "Construct", secret_id: str) -> str:
    if cdk.Token.is_unresolved(secret_id):
        return secret_id
    if not secret_id.startswith("arn:"):
        secret_id = cdk.Stack.of(scope).format_arn(
            service="secretsmanager",
            resource="secret",
            resource_name=secret_id,
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
    elif re.search(f"{_SUFFIX}$", secret_id):
        return secret_id
    return f"{secret_id}-??????"


def _partition(scope: "Construct", arn: str) -> str:
    """The partition that `arn` names; the stack's own where it is known at deployment only."""
    return cdk.Stack.of(scope).partition if cdk.Token.is_unresolved(arn) else arn.split(":")[1]


def _key_arn(key_arn: str) -> str:
    if not cdk.Token.is_unresolved(key_arn) and ":alias/" in key_arn:
        raise KmsAliasError(
            f"'{key_arn}' is an alias; give the ARN of the key itself (arn:…:key/…): a permission can name "
            "no alias, and an alias that moved would be another key"
        )
    return key_arn
