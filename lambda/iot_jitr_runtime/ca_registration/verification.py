"""Verification certificates: the proof that whoever registers a CA holds its private key.

The certificate names the account's registration code as its common name and is signed by the CA. Its own
key is made for it and thrown away: nobody ever needs it.
https://docs.aws.amazon.com/iot/latest/developerguide/register-CA-cert.html
"""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.errors import JitrError

VALIDITY = timedelta(days=1)
"""AWS IoT looks at the certificate once, at registration."""

_BACKDATING = timedelta(minutes=5)

SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
"""A CA's private key, or something that signs in its place."""


class KeyMismatchError(JitrError):
    """The private key is not the CA certificate's."""


class UnsupportedSigningKeyError(JitrError):
    """The private key is neither RSA nor EC."""


Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512


def signature_hash(key: SigningKey | rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> Hash:
    """The hash that goes with the key: as strong as the curve, SHA-256 for RSA."""
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        match key.curve.key_size:
            case 384:
                return hashes.SHA384()
            case 521:
                return hashes.SHA512()
    return hashes.SHA256()


def check_key_belongs(key: SigningKey, ca: Certificate, *, where: str) -> None:
    """Check that `key`, found at `where`, is the key of `ca`.

    Raises:
        KeyMismatchError: It is another one.
    """
    if _spki(key.public_key()) != _spki(ca.x509.public_key()):
        raise KeyMismatchError(
            f"the key in {where} is not the key of the CA certificate '{ca.subject}'; give the certificate "
            "and the key of the same CA"
        )


def make_verification_certificate(
    ca: Certificate, key: SigningKey, registration_code: str, *, validity: timedelta = VALIDITY
) -> str:
    """Make and sign a verification certificate.

    Args:
        ca: The CA certificate that is to be registered.
        key: Its private key.
        registration_code: What `GetRegistrationCode` answered in the account and region.
        validity: How long the certificate shall be valid, cut off at the CA's own end.

    Returns:
        The certificate, PEM.
    """
    now = datetime.now(UTC)
    own_key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, registration_code)]))
        .issuer_name(ca.x509.subject)
        .public_key(own_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(max(now - _BACKDATING, ca.not_before))
        .not_valid_after(min(now + validity, ca.not_after))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, signature_hash(key))
    )
    return certificate.public_bytes(Encoding.PEM).decode()


def _spki(key: object) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined,no-any-return]
