"""Keys and signatures that AWS IoT Core takes, in CA certificates and in device certificates.

Asked at synthesis, by the function that registers CAs, and by `jitr chain check`.

Source: AWS IoT Core Developer Guide, "X.509 client certificates"
(https://docs.aws.amazon.com/iot/latest/developerguide/x509-client-certs.html).
"""

from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import SignatureAlgorithmOID

from iot_jitr_runtime.errors import JitrError

if TYPE_CHECKING:
    from iot_jitr_runtime.certificates import Certificate

SUPPORTED_KEYS = "RSA with at least 2048 bits, EC on P-256, P-384 or P-521"
SUPPORTED_SIGNATURES = "RSA or ECDSA with SHA-256, SHA-384 or SHA-512"

_SMALLEST_RSA = 2048
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_SIGNATURES = {
    SignatureAlgorithmOID.RSA_WITH_SHA256: "RSA",
    SignatureAlgorithmOID.RSA_WITH_SHA384: "RSA",
    SignatureAlgorithmOID.RSA_WITH_SHA512: "RSA",
    SignatureAlgorithmOID.RSASSA_PSS: "RSASSA-PSS",
    SignatureAlgorithmOID.ECDSA_WITH_SHA256: "ECDSA",
    SignatureAlgorithmOID.ECDSA_WITH_SHA384: "ECDSA",
    SignatureAlgorithmOID.ECDSA_WITH_SHA512: "ECDSA",
}


class UnsupportedKeyError(JitrError):
    """AWS IoT Core does not take this kind of key; the message names the kind."""


class UnsupportedSignatureError(JitrError):
    """AWS IoT Core does not take this signature algorithm; the message names it."""


def supported_key(certificate: "Certificate") -> str:
    """Name the certificate's kind of key, if AWS IoT Core takes it.

    Raises:
        UnsupportedKeyError: It does not.
    """
    try:
        key = certificate.x509.public_key()
    except (UnsupportedAlgorithm, ValueError) as error:
        raise UnsupportedKeyError(f"a key that cannot be read ({error})") from error
    if isinstance(key, ec.EllipticCurvePublicKey):
        name, supported = f"EC {key.curve.name}", isinstance(key.curve, _CURVES)
    elif isinstance(key, rsa.RSAPublicKey):
        name, supported = f"RSA {key.key_size} bits", key.key_size >= _SMALLEST_RSA
    else:
        name, supported = type(key).__name__.removesuffix("PublicKey"), False
    if not supported:
        raise UnsupportedKeyError(name)
    return name


def supported_signature(certificate: "Certificate") -> str:
    """Name the algorithm that the certificate is signed with, if AWS IoT Core takes it.

    Raises:
        UnsupportedSignatureError: It does not.
    """
    oid = certificate.x509.signature_algorithm_oid
    try:
        digest = certificate.x509.signature_hash_algorithm
    except UnsupportedAlgorithm:
        digest = None
    hashed = digest.name.upper() if digest else "no known hash"
    if oid not in _SIGNATURES or not isinstance(digest, _HASHES):
        raise UnsupportedSignatureError(f"algorithm {oid.dotted_string} with {hashed}")
    return f"{_SIGNATURES[oid]} with {hashed}"
