"""The signers of a CA: the permissions of the registration for each, and refused keys."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_acmpca as acmpca
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager

from iot_jitr import (
    ConfigurationError,
    JitrPipeline,
    KmsSigner,
    Mode,
    NoSigner,
    PresignedSigner,
    PrivateCaSigner,
    SecretSigner,
)
from iot_jitr_runtime.ca_registration.verification import make_verification_certificate
from tests.support.ca_builder import CaSpec
from tests.support.ca_certificates import WORKSHOP
from tests.support.scenarios import CA_KEY, PRIVATE_CA
from tests.support.stacks import (
    FACTORY_CA,
    granted,
    joined,
    named,
    of_type,
    statements,
    synthesized,
    template,
)

SECRET = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:"
FULL_SECRET_ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:ca-key-AbCdEf"
SPEC = CaSpec()
CA = SPEC.build()
VERIFICATION = make_verification_certificate(CA, SPEC.key, "0a1b" * 16)


def of_signer(found: dict[str, Any]) -> dict[str, str]:
    """Permissions of the registration, except those for its log and for AWS IoT."""
    return {
        action: resource
        for action, resource in granted(found, "CaRegistrationOnEventRole")
        if not action.startswith(("logs:", "iot:"))
    }


def read(arn: str) -> dict[str, str]:
    return {"secretsmanager:GetSecretValue": arn}


def read_as_the_cdk_grants(arn: str) -> dict[str, str]:
    return {**read(arn), "secretsmanager:DescribeSecret": arn}


def sign(arn: str) -> dict[str, str]:
    return {"kms:GetPublicKey": arn, "kms:Sign": arn}


def issue(arn: str) -> dict[str, str]:
    names = ("IssueCertificate", "GetCertificate", "GetCertificateAuthorityCertificate")
    return {f"acm-pca:{name}": arn for name in names}


def secret_under_an_imported_key(stack: cdk.Stack) -> secretsmanager.ISecret:
    key = kms.Key.from_key_arn(stack, "Key", CA_KEY)
    return secretsmanager.Secret.from_secret_attributes(
        stack, "CaKey", secret_complete_arn=FULL_SECRET_ARN, encryption_key=key
    )


def private_ca(stack: cdk.Stack) -> acmpca.CfnCertificateAuthority:
    return acmpca.CfnCertificateAuthority(
        stack,
        "Authority",
        type="ROOT",
        key_algorithm="EC_prime256v1",
        signing_algorithm="SHA256WITHECDSA",
        subject=acmpca.CfnCertificateAuthority.SubjectProperty(common_name="Factory CA"),
    )


Secret, Authority = secretsmanager.Secret, acmpca.CertificateAuthority
SIGNERS: dict[str, tuple[Callable[[cdk.Stack], Any], Callable[[Any], dict[str, str]]]] = {
    "a secret by name": (
        lambda _: SecretSigner("iot-jitr/ca-key"),
        lambda _: read(f"{SECRET}iot-jitr/ca-key-??????"),
    ),
    "a secret by ARN": (lambda _: SecretSigner(FULL_SECRET_ARN), lambda _: read(FULL_SECRET_ARN)),
    "a secret by a partial ARN": (
        lambda _: SecretSigner(FULL_SECRET_ARN[:-7]),
        lambda _: read(f"{FULL_SECRET_ARN[:-7]}-??????"),
    ),
    "a secret under a key": (
        lambda _: SecretSigner(FULL_SECRET_ARN, CA_KEY),
        lambda _: {**read(FULL_SECRET_ARN), "kms:Decrypt": CA_KEY},
    ),
    "a secret of the same app": (
        lambda stack: Secret(stack, "CaKey", encryption_key=kms.Key(stack, "Key")),
        lambda secret: {
            **read_as_the_cdk_grants(secret.secret_arn),
            "kms:Decrypt": secret.encryption_key.key_arn,
        },
    ),
    "an imported secret under a key": (
        secret_under_an_imported_key,
        lambda _: {**read_as_the_cdk_grants(FULL_SECRET_ARN), "kms:Decrypt": CA_KEY},
    ),
    "a secret imported by name": (
        lambda stack: Secret.from_secret_name_v2(stack, "CaKey", "ca-key"),
        lambda secret: read_as_the_cdk_grants(f"{secret.secret_arn}-??????"),
    ),
    "a secret imported by a partial ARN": (
        lambda stack: Secret.from_secret_partial_arn(stack, "CaKey", FULL_SECRET_ARN[:-7]),
        lambda _: read_as_the_cdk_grants(f"{FULL_SECRET_ARN[:-7]}-??????"),
    ),
    "a KMS key by ARN": (lambda _: KmsSigner(CA_KEY), lambda _: sign(CA_KEY)),
    "a KMS key of the same app": (
        lambda stack: kms.Key(
            stack, "CaKey", key_spec=kms.KeySpec.ECC_NIST_P256, key_usage=kms.KeyUsage.SIGN_VERIFY
        ),
        lambda key: sign(key.key_arn),
    ),
    "a Private CA by ARN": (lambda _: PrivateCaSigner(PRIVATE_CA), lambda _: issue(PRIVATE_CA)),
    "a Private CA of the same app": (private_ca, lambda authority: issue(authority.attr_arn)),
    "a Private CA of the same app, as an interface": (
        lambda stack: Authority.from_certificate_authority_arn(stack, "Ca", private_ca(stack).attr_arn),
        lambda authority: issue(authority.certificate_authority_arn),
    ),
    "an imported Private CA": (
        lambda stack: Authority.from_certificate_authority_arn(stack, "Ca", PRIVATE_CA),
        lambda _: issue(PRIVATE_CA),
    ),
    "a verification certificate": (lambda _: PresignedSigner(VERIFICATION), lambda _: {}),
    "nothing": (lambda _: NoSigner(), lambda _: {}),
}
"""Each signer, and the permissions of the registration for it."""


@pytest.mark.parametrize("name", SIGNERS)
def test_the_registration_may_use_its_one_signer_only(app: cdk.App, name: str) -> None:
    make, permissions = SIGNERS[name]
    stack = cdk.Stack(app, "Fleet")
    signer = make(stack)
    mode = Mode.SNI_ONLY if isinstance(signer, NoSigner) else Mode.DEFAULT
    JitrPipeline(stack, "Jitr", cas=[replace(FACTORY_CA, certificate=CA.pem, signer=signer, mode=mode)])

    expected = {action: joined(stack.resolve(on)) for action, on in permissions(signer).items()}
    assert of_signer(template(stack)) == expected


def test_a_private_ca_issues_end_entity_certificates_only() -> None:
    found = statements(synthesized(replace(FACTORY_CA, signer=PrivateCaSigner(PRIVATE_CA))), "OnEventRole")

    (issue,) = [each for each in found if each["Action"] == "acm-pca:IssueCertificate"]
    assert issue["Condition"] == {
        "StringEquals": {"acm-pca:TemplateArn": "arn:aws:acm-pca:::template/EndEntityCertificate/V1"}
    }


def test_a_secret_and_a_key_of_the_same_app_are_named_in_the_template(app: cdk.App) -> None:
    stack = cdk.Stack(app, "Fleet")
    key = kms.Key(stack, "Key")
    secret = secretsmanager.Secret(stack, "CaKey", encryption_key=key)
    other = replace(FACTORY_CA, name="Workshop", certificate=WORKSHOP, signer=key)
    JitrPipeline(stack, "Jitr", cas=[replace(FACTORY_CA, signer=secret), other])

    made = template(stack)

    resources = of_type(made, "Custom::JitrCaCertificate").values()
    assert [each["Properties"]["Signer"] for each in resources] == [
        {"Kind": "secret", "secret_id": stack.resolve(secret.secret_arn)},
        {"Kind": "kms", "key_arn": stack.resolve(key.key_arn)},
    ]
    _, of_key = named(made, "AWS::KMS::Key", "Key")
    assert "OnEventRole" in str(of_key["Properties"]["KeyPolicy"])


def test_several_cas_may_have_different_signers() -> None:
    workshop = replace(FACTORY_CA, name="Workshop", certificate=WORKSHOP, signer=KmsSigner(CA_KEY))

    assert of_signer(synthesized(FACTORY_CA, workshop)) == {
        **read(f"{SECRET}iot-jitr/factory-ca-key-??????"),
        **sign(CA_KEY),
    }


def test_every_form_of_a_key_alias_is_refused() -> None:
    stack = cdk.Stack()
    imported = kms.Alias.from_alias_name(stack, "Imported", "alias/ca")
    made = kms.Alias(stack, "Made", alias_name="alias/made", target_key=kms.Key(stack, "Key"))
    for alias in (imported, made, KmsSigner(f"{CA_KEY[:-14]}alias/ca")):
        with pytest.raises(ConfigurationError, match=r"signer\.key: found .*IAM matches no"):
            replace(FACTORY_CA, signer=alias)


def test_an_alias_of_the_key_that_encrypts_the_secret_is_refused() -> None:
    stack = cdk.Stack()
    alias = kms.Alias.from_alias_name(stack, "Alias", "alias/secrets")
    secret = secretsmanager.Secret(stack, "CaKey", encryption_key=alias)

    with pytest.raises(ConfigurationError, match=r"signer\.encryption_key: found an alias"):
        replace(FACTORY_CA, signer=secret)
