"""The five ways to get a verification certificate signed, as references for the template."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from iot_jitr_runtime.errors import JitrError


class SignerError(JitrError):
    """The signer cannot sign: its key or its CA cannot be used, or is of the wrong kind."""


@dataclass(frozen=True)
class SecretSigner:
    """The CA's key is a PEM in Secrets Manager."""

    secret_id: str
    """ARN or name of the secret.
    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html"""
    encryption_key_arn: str | None = None
    """ARN of the customer managed KMS key that encrypts the secret; None: the AWS managed key.
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html"""


@dataclass(frozen=True)
class KmsSigner:
    """The CA's key is an asymmetric KMS key; it never leaves KMS."""

    key_arn: str
    """ARN of the key itself, not of an alias.
    https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html"""


@dataclass(frozen=True)
class PrivateCaSigner:
    """The CA is an AWS Private CA."""

    certificate_authority_arn: str
    """ARN of the Private CA.
    https://docs.aws.amazon.com/privateca/latest/APIReference/API_IssueCertificate.html"""


@dataclass(frozen=True)
class PresignedSigner:
    """The CA's key is offline; its holder has signed the verification certificate already."""

    verification_certificate_pem: str
    """The certificate, PEM: its common name is the account's registration code.
    https://docs.aws.amazon.com/iot/latest/apireference/API_GetRegistrationCode.html"""


@dataclass(frozen=True)
class NoSigner:
    """There is no signer: for mode SNI_ONLY, in which AWS IoT refuses a verification certificate."""


Signer = SecretSigner | KmsSigner | PrivateCaSigner | PresignedSigner | NoSigner

KINDS: Mapping[str, type[Signer]] = {
    "secret": SecretSigner,
    "kms": KmsSigner,
    "acm-pca": PrivateCaSigner,
    "presigned": PresignedSigner,
    "none": NoSigner,
}
"""The signers by their name in configuration, properties and documentation."""

_NAME_OF: Mapping[type[Signer], str] = {kind: name for name, kind in KINDS.items()}


def signer_properties(signer: Signer) -> dict[str, Any]:
    """The signer as a property of the template."""
    set_fields = {name: value for name, value in asdict(signer).items() if value is not None}
    return {"Kind": _NAME_OF[type(signer)], **set_fields}


def signer_from(properties: Mapping[str, Any]) -> Signer:
    """Read what `signer_properties` wrote.

    Raises:
        KeyError, TypeError: The kind is none of `KINDS`, or its fields do not fit.
    """
    fields = dict(properties)
    return KINDS[fields.pop("Kind")](**fields)


def verification_template_arn(partition: str) -> str:
    """The one AWS Private CA template that a verification certificate is issued from, in a CA's `partition`.

    https://docs.aws.amazon.com/privateca/latest/userguide/template-definitions.html
    """
    return f"arn:{partition}:acm-pca:::template/EndEntityCertificate/V1"
