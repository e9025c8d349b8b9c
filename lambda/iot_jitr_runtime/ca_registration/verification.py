"""Verification certificates: they prove possession of the private key of the CA that is registered.

The common name of the certificate is the account's registration code, and the CA signs it. Its own key pair
is generated and discarded, because it is never used.
https://docs.aws.amazon.com/iot/latest/developerguide/register-CA-cert.html
"""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from iot_jitr_runtime.accepted_algorithms import PrivateKey, PublicKey
from iot_jitr_runtime.ca_registration.validation import CaCertificateError, CaFault, load_one_certificate
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.outcomes import Reason, RefusedError

VALIDITY = timedelta(days=1)
"""AWS IoT checks the certificate once, at registration."""

_BACKDATING = timedelta(minutes=5)

Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512


def signature_hash(key: PrivateKey | PublicKey) -> Hash:
    """The hash for signatures with the key: as strong as the curve, SHA-256 for RSA."""
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        match key.curve.key_size:
            case 384:
                return hashes.SHA384()
            case 521:
                return hashes.SHA512()
    return hashes.SHA256()


def check_key_belongs(key: PublicKey, ca: Certificate, where: str) -> None:
    """Check that the public key `key` is the key of `ca`; `where` names the place of the private key.

    Raises:
        CaCertificateError: It is another one (`KEY_MISMATCH`).
    """
    if key != ca.x509.public_key():
        raise CaCertificateError(
            CaFault.KEY_MISMATCH,
            f"the key in {where} is not the key of the CA certificate '{ca.subject}'; give the certificate "
            "and the key of the same CA",
        )


def make_verification_certificate(
    ca: Certificate, key: PrivateKey, registration_code: str, *, validity: timedelta = VALIDITY
) -> str:
    """Make and sign a verification certificate.

    Args:
        ca: The CA certificate that is to be registered.
        key: Its private key.
        registration_code: The answer of `GetRegistrationCode` in the account and region.
        validity: How long the certificate is valid; it never outlives the CA certificate.

    Returns:
        The certificate, PEM.
    """
    now = datetime.now(UTC)
    own_key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(verification_subject(registration_code))
        .issuer_name(ca.x509.subject)
        .public_key(own_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(max(now - _BACKDATING, ca.not_before))
        .not_valid_after(min(now + validity, ca.not_after))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, signature_hash(key))
    )
    return certificate.public_bytes(Encoding.PEM).decode()


def verification_subject(registration_code: str) -> x509.Name:
    """The subject of a verification certificate."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, registration_code)])


def load_verification_certificate(pem: str, ca: Certificate) -> Certificate:
    """Read a verification certificate and check that `ca` signed it.

    Raises:
        CaCertificateError: It is not exactly one certificate, or the CA's key did not sign it.
    """
    certificate = load_one_certificate(pem, what="verification certificate")
    try:
        certificate.check_issued_by(ca)
    except RefusedError as error:
        raise CaCertificateError(
            CaFault.NOT_SIGNED_BY_CA,
            f"the verification certificate is not signed by the CA '{ca.subject}': {error}; sign it with the "
            "key of the CA that is to be registered ('jitr ca sign-verification')",
        ) from error
    return certificate


def check_still_valid(certificate: Certificate) -> None:
    """Check that a verification certificate may be used now.

    Raises:
        CaCertificateError: It is expired or not yet valid.
    """
    try:
        certificate.check_validity()
    except RefusedError as error:
        raise CaCertificateError(
            CaFault.EXPIRED if error.reason is Reason.EXPIRED else CaFault.NOT_YET_VALID,
            f"the verification certificate is out of date: {error}; sign a new one ('jitr ca "
            "sign-verification')",
        ) from error


def check_registration_code(certificate: Certificate, registration_code: str) -> None:
    """Check the common name of a verification certificate.

    Raises:
        CaCertificateError: It is another one (`OTHER_REGISTRATION_CODE`).
    """
    if certificate.common_names != [registration_code]:
        raise CaCertificateError(
            CaFault.OTHER_REGISTRATION_CODE,
            f"the verification certificate's common name is {certificate.common_names}, the registration "
            f"code of this account and region is '{registration_code}'; sign a new one with this code ('jitr "
            "ca sign-verification'), and mind account and region",
        )
