"""Signs the verification certificate in one of the five ways.

The pipeline's function calls this with the signer of the CA's properties. Only the AWS service that the
signer needs is called.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import WaiterError
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from iot_jitr_runtime.accepted_algorithms import PrivateKey, PublicKey
from iot_jitr_runtime.aws_errors import AwsError, error_code
from iot_jitr_runtime.ca_registration.kms import kms_key
from iot_jitr_runtime.ca_registration.signers import (
    KmsSigner,
    PresignedSigner,
    PrivateCaSigner,
    SecretSigner,
    Signer,
    SignerError,
    verification_template_arn,
)
from iot_jitr_runtime.ca_registration.verification import (
    check_key_belongs,
    check_registration_code,
    check_still_valid,
    load_verification_certificate,
    make_verification_certificate,
    signature_hash,
    verification_subject,
)
from iot_jitr_runtime.certificates import Certificate

if TYPE_CHECKING:
    from mypy_boto3_acm_pca import ACMPCAClient
    from mypy_boto3_acm_pca.literals import SigningAlgorithmType

_VALIDITY_DAYS = 1
"""Validity of the certificate that a Private CA issues."""
_PRIVATE_KEY = "privateKey"
_PASSPHRASE = "passphrase"  # noqa: S105 -- the name of a field
_NEEDS: dict[type[Signer], str] = {
    SecretSigner: (
        "it must exist in this account and region, hold the CA's private key and be readable by the "
        "registration function"
    ),
    KmsSigner: (
        "it must exist, be enabled, and its key policy must let the account's roles use it "
        "(kms:GetPublicKey, kms:Sign)"
    ),
    PrivateCaSigner: (
        "it must exist in this account and region, or be shared with it, be active, and let the registration "
        "function issue certificates"
    ),
}
"""The conditions for a signer to sign, by its kind."""

ClientFactory = Callable[[str], Any]
"""Makes the boto3 client of a service."""


def read_ca_certificate(signer: Signer, client: ClientFactory) -> Certificate:
    """The CA's own certificate, where the signer can read it.

    Raises:
        SignerError: It cannot.
    """
    if not isinstance(signer, PrivateCaSigner):
        raise SignerError("no CA certificate given; only an AWS Private CA returns its own")
    arn = signer.certificate_authority_arn
    with _refusals(f"use the Private CA '{arn}'", PrivateCaSigner):
        return _private_ca_certificate(client("acm-pca"), arn)


def verification_certificate(
    signer: Signer, ca: Certificate, registration_code: Callable[[], str], client: ClientFactory
) -> str | None:
    """The verification certificate for `ca`, PEM; None where mode SNI_ONLY needs none.

    Args:
        signer: What signs.
        ca: The CA certificate that is going to be registered.
        registration_code: Fetches the account's registration code; called only by a signer that needs it.
        client: Makes the boto3 client of a service; called only for the service of the signer.

    Raises:
        SignerError: The signer cannot sign.
        CaCertificateError: The signer has another CA's key, or the presigned certificate cannot be used.
    """
    match signer:
        case SecretSigner(secret_id):
            with _refusals(f"read the secret '{secret_id}'", SecretSigner):
                secret = client("secretsmanager").get_secret_value(SecretId=secret_id)
            key = _secret_key(secret_id, secret.get("SecretString"))
            check_key_belongs(key.public_key(), ca, f"the secret '{secret_id}'")
            return make_verification_certificate(ca, key, registration_code())
        case KmsSigner(arn):
            with _refusals(f"use the KMS key '{arn}'", KmsSigner):
                in_kms = kms_key(client("kms"), arn)
                check_key_belongs(in_kms.public_key(), ca, f"the KMS key '{arn}'")
                return make_verification_certificate(ca, in_kms, registration_code())
        case PrivateCaSigner(arn):
            with _refusals(f"use the Private CA '{arn}'", PrivateCaSigner):
                return _issue_certificate(client("acm-pca"), arn, ca, registration_code)
        case PresignedSigner(pem):
            presigned = load_verification_certificate(pem, ca)
            check_still_valid(presigned)
            check_registration_code(presigned, registration_code())
            return presigned.pem
    return None


@contextmanager
def _refusals(use: str, kind: type[Signer]) -> Iterator[None]:
    """Turn an AWS error of a signer into a `SignerError`."""
    try:
        yield
    except AwsError as error:
        waiting = f"the certificate was not issued: {error}"
        found = waiting if isinstance(error, WaiterError) else error_code(error)
        raise SignerError(f"cannot {use}: {found}; {_NEEDS[kind]}") from error


def _private_ca_certificate(client: "ACMPCAClient", arn: str) -> Certificate:
    """The Private CA's own certificate."""
    answer = client.get_certificate_authority_certificate(CertificateAuthorityArn=arn)
    return Certificate.load(answer["Certificate"])


def _issue_certificate(
    client: "ACMPCAClient", arn: str, ca: Certificate, registration_code: Callable[[], str]
) -> str:
    """Request a verification certificate from the Private CA, valid for a day.

    Raises:
        SignerError: Its key is neither RSA nor EC.
        CaCertificateError: `ca` is another CA's certificate.
    """
    key = _private_ca_certificate(client, arn).x509.public_key()
    if not isinstance(key, PublicKey):
        raise SignerError(f"the key of the Private CA '{arn}' is neither RSA nor EC; AWS IoT takes no other")
    check_key_belongs(key, ca, f"the Private CA '{arn}'")
    issued = client.issue_certificate(
        CertificateAuthorityArn=arn,
        Csr=_signing_request(registration_code()),
        SigningAlgorithm=_algorithm(key),
        TemplateArn=verification_template_arn(arn.split(":")[1]),
        Validity={"Value": _VALIDITY_DAYS, "Type": "DAYS"},
    )["CertificateArn"]
    client.get_waiter("certificate_issued").wait(CertificateAuthorityArn=arn, CertificateArn=issued)
    return client.get_certificate(CertificateAuthorityArn=arn, CertificateArn=issued)["Certificate"]


def _signing_request(registration_code: str) -> bytes:
    own_key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(verification_subject(registration_code))
    return builder.sign(own_key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _algorithm(key: PublicKey) -> "SigningAlgorithmType":
    if isinstance(key, rsa.RSAPublicKey):
        return "SHA256WITHRSA"
    match signature_hash(key):
        case hashes.SHA384():
            return "SHA384WITHECDSA"
        case hashes.SHA512():
            return "SHA512WITHECDSA"
    return "SHA256WITHECDSA"


# The errors below have no cause: an exception whose text may contain the key must not reach a log.


def _secret_key(secret_id: str, value: str | None) -> PrivateKey:
    """The CA's key, plain or encrypted, from a secret; None: the secret is binary."""
    try:
        return _parse_key(*_parse_secret(value))
    except _UnusableSecretError as error:
        raise SignerError(
            f"the secret '{secret_id}' cannot be used: {error}; expected the key's PEM, or a JSON object "
            f"with the PEM under '{_PRIVATE_KEY}' and, for an encrypted key, its '{_PASSPHRASE}'"
        ) from None


class _UnusableSecretError(Exception):
    """The value of a secret is not valid; the message contains nothing of the value."""


def _parse_secret(value: str | None) -> tuple[bytes, bytes | None]:
    if value is None:
        raise _UnusableSecretError("it is binary")
    if "-----BEGIN" in value and not value.lstrip().startswith("{"):
        return value.encode(), None
    try:
        fields = json.loads(value)
    except (ValueError, RecursionError):
        raise _UnusableSecretError("it is neither PEM nor JSON") from None
    if not isinstance(fields, dict) or not isinstance(fields.get(_PRIVATE_KEY), str):
        raise _UnusableSecretError(f"it is JSON without a text under '{_PRIVATE_KEY}'")
    passphrase = fields.get(_PASSPHRASE)
    if passphrase is not None and not isinstance(passphrase, str):
        raise _UnusableSecretError(f"'{_PASSPHRASE}' is not a text")
    return fields[_PRIVATE_KEY].encode(), passphrase.encode() if passphrase else None


def _parse_key(pem: bytes, passphrase: bytes | None) -> PrivateKey:
    try:
        key = load_pem_private_key(pem, passphrase)
    except TypeError:
        found = "not encrypted, but has a passphrase" if passphrase else "encrypted, without a passphrase"
        raise _UnusableSecretError(f"the key is {found}") from None
    except (ValueError, UnsupportedAlgorithm):
        found = "no private key, or the passphrase is wrong" if passphrase else "no private key"
        raise _UnusableSecretError(f"the PEM holds {found}") from None
    if not isinstance(key, PrivateKey):
        raise _UnusableSecretError("the key is neither RSA nor EC")
    return key
