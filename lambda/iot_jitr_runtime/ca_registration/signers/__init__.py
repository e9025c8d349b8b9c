"""Who signs the verification certificate: one small class for each way to hold a CA's key."""

from collections.abc import Callable
from typing import Any

from iot_jitr_runtime.ca_registration.signers.base import Signer
from iot_jitr_runtime.ca_registration.signers.kms import KmsSigner
from iot_jitr_runtime.ca_registration.signers.none import NoSigner
from iot_jitr_runtime.ca_registration.signers.presigned import PresignedSigner
from iot_jitr_runtime.ca_registration.signers.private_ca import PrivateCaSigner
from iot_jitr_runtime.ca_registration.signers.secret import SecretSigner
from iot_jitr_runtime.ca_registration.sources import (
    KmsSource,
    PresignedSource,
    PrivateCaSource,
    SecretSource,
    Source,
)

__all__ = ["Signer", "signer_for"]


def signer_for(source: Source, client: Callable[[str], Any]) -> Signer:
    """The signer for `source`; `client` makes the boto3 client of a service, and only for the one in use."""
    match source:
        case SecretSource():
            return SecretSigner(client("secretsmanager"), source.secret_id)
        case KmsSource():
            return KmsSigner(client("kms"), source.key_arn)
        case PrivateCaSource():
            return PrivateCaSigner(client("acm-pca"), source.certificate_authority_arn)
        case PresignedSource():
            return PresignedSigner(source.verification_certificate_pem)
    return NoSigner()
