"""The signers of verification certificates in a stack, and the permissions of the CA registration for each.

It may use one secret, one key or one Private CA, and nothing else.
"""

import re
from typing import TYPE_CHECKING, TypeGuard, cast

import aws_cdk as cdk
from aws_cdk import aws_acmpca as acmpca
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager

from iot_jitr.encryption import is_alias
from iot_jitr_runtime.ca_registration.signers import (
    KmsSigner,
    PrivateCaSigner,
    SecretSigner,
    Signer,
    verification_template_arn,
)

if TYPE_CHECKING:
    from iot_jitr.functions import JitrFunction

# For pyright, a class of the CDK does not implement its interface if the names of arguments differ.
CaSigner = (
    Signer
    | secretsmanager.ISecret
    | secretsmanager.Secret
    | kms.IKey
    | kms.Key
    | acmpca.ICertificateAuthority
    | acmpca.CfnCertificateAuthority
)
"""A signer with the name or ARN of its secret, key or Private CA, or such an object of the CDK itself."""

_SUFFIX = r"-[A-Za-z0-9]{6}"
"""Secrets Manager adds six random characters to the end of a secret's ARN."""


def is_secret(signer: CaSigner) -> TypeGuard[secretsmanager.ISecret]:
    """Return whether a signer is a secret of the CDK."""
    # The CDK's interfaces are protocols, and an imported object is not an instance of any of its classes.
    return hasattr(signer, "secret_arn")


def is_key(signer: CaSigner) -> TypeGuard[kms.IKey]:
    """Return whether a signer is a KMS key of the CDK; an alias is one too."""
    return hasattr(signer, "key_arn") and not isinstance(signer, KmsSigner)


def arn_of_private_ca(signer: CaSigner) -> str | None:
    """Return the ARN of a Private CA of the CDK; None for any other signer."""
    if isinstance(signer, acmpca.CfnCertificateAuthority):
        return signer.attr_arn
    reference = getattr(signer, "certificate_authority_ref", None)
    return getattr(reference, "certificate_authority_arn", None)


def aliased(signer: CaSigner) -> str | None:
    """Return the field of a CDK signer whose key is an alias: `key`, `encryption_key` or None."""
    if is_key(signer) and is_alias(signer):
        return "key"
    if is_secret(signer) and signer.encryption_key is not None and is_alias(signer.encryption_key):
        return "encryption_key"
    return None


def plain_signer(signer: CaSigner) -> Signer:
    """Return the signer as the template names it."""
    if is_secret(signer):
        return SecretSigner(signer.secret_full_arn or signer.secret_arn)
    if is_key(signer):
        return KmsSigner(signer.key_arn)
    return cast("Signer", signer)


def grant_sign(function: "JitrFunction", signer: CaSigner) -> None:
    """Allow the function of the CA registration to sign with `signer`.

    For a secret or a key of the CDK, its own grant methods are used: they also change its policy, and the
    policy of the key that encrypts the secret.
    """
    match signer:
        case SecretSigner():
            function.allow(_allow([_secret_arn(function, signer.secret_id)], "secretsmanager:GetSecretValue"))
            if signer.encryption_key_arn:
                function.allow(_allow([signer.encryption_key_arn], "kms:Decrypt"))
        case KmsSigner():
            function.allow(_allow([signer.key_arn], "kms:GetPublicKey", "kms:Sign"))
        case PrivateCaSigner():
            arn = signer.certificate_authority_arn
            issue = _allow([arn], "acm-pca:IssueCertificate")
            issue.add_condition(
                "StringEquals", {"acm-pca:TemplateArn": verification_template_arn(_partition(function, arn))}
            )
            get = _allow([arn], "acm-pca:GetCertificate", "acm-pca:GetCertificateAuthorityCertificate")
            function.allow(issue, get)
        case _ if is_secret(signer):
            signer.grant_read(function.role)
            if signer.encryption_key is not None:
                # `grant_read` changes the key's own policy, and the policy of an imported key cannot be
                # changed.
                signer.encryption_key.grant_decrypt(function.role)
        case _ if is_key(signer):
            signer.grant(function.role, "kms:GetPublicKey", "kms:Sign")


def _allow(resources: list[str], *actions: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=list(actions), resources=resources)


def _secret_arn(function: "JitrFunction", secret_id: str) -> str:
    if not secret_id.startswith("arn:"):
        secret_id = cdk.Stack.of(function).format_arn(
            service="secretsmanager",
            resource="secret",
            resource_name=secret_id,
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
    elif re.search(f"{_SUFFIX}$", secret_id):
        return secret_id
    return f"{secret_id}-??????"


def _partition(function: "JitrFunction", arn: str) -> str:
    """Return the partition of `arn`; the stack's own where `arn` is known at deployment only."""
    return cdk.Stack.of(function).partition if cdk.Token.is_unresolved(arn) else arn.split(":")[1]
