"""The five ways to get a verification certificate signed, as references for the template."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from iot_jitr_runtime.errors import JitrError


class SignerError(JitrError):
    """The signer cannot sign: its key or its CA cannot be used, or is of the wrong kind."""


@dataclass(frozen=True)
class SecretSource:
    """The CA's key is a PEM in Secrets Manager."""

    secret_id: str
    """ARN or name of the secret.
    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html"""
    encryption_key_arn: str | None = None
    """ARN of the customer managed KMS key that encrypts the secret; None: the AWS managed key.
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html"""


@dataclass(frozen=True)
class KmsSource:
    """The CA's key is an asymmetric KMS key, which it never leaves."""

    key_arn: str
    """ARN of the key itself, not of an alias.
    https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html"""


@dataclass(frozen=True)
class PrivateCaSource:
    """The CA is an AWS Private CA."""

    certificate_authority_arn: str
    """ARN of the Private CA.
    https://docs.aws.amazon.com/privateca/latest/APIReference/API_IssueCertificate.html"""


@dataclass(frozen=True)
class PresignedSource:
    """The CA's key is offline; its holder has signed the verification certificate already."""

    verification_certificate_pem: str
    """The certificate, PEM: its common name is the account's registration code.
    https://docs.aws.amazon.com/iot/latest/apireference/API_GetRegistrationCode.html"""


@dataclass(frozen=True)
class NoSource:
    """Nothing signs: for mode SNI_ONLY, in which AWS IoT refuses a verification certificate."""


Source = SecretSource | KmsSource | PrivateCaSource | PresignedSource | NoSource

KINDS: Mapping[str, type[Source]] = {
    "secret": SecretSource,
    "kms": KmsSource,
    "acm-pca": PrivateCaSource,
    "presigned": PresignedSource,
    "none": NoSource,
}
"""The sources by their name in configuration, properties and documentation."""

_NAME_OF: Mapping[type[Source], str] = {kind: name for name, kind in KINDS.items()}


def source_properties(source: Source) -> dict[str, Any]:
    """The source as it stands in the template."""
    set_fields = {name: value for name, value in asdict(source).items() if value is not None}
    return {"Kind": _NAME_OF[type(source)], **set_fields}


def source_from(properties: Mapping[str, Any]) -> Source:
    """Read what `source_properties` wrote.

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
