"""The certificates that AWS IoT Core accepts: key types, signature algorithms and key usages.

Used at synthesis, by the functions that register CAs and activate devices, and by `jitr chain check`.

Sources: AWS IoT Core Developer Guide, "X.509 client certificates", for keys and signatures
(https://docs.aws.amazon.com/iot/latest/developerguide/x509-client-certs.html). It does not cover extensions;
RFC 5280 section 4.2.1 does. Everything that neither source restricts is accepted.
"""

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, SignatureAlgorithmOID

from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.outcomes import Reason, RefusedError

if TYPE_CHECKING:
    from iot_jitr_runtime.certificates import Certificate

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
"""A private key of a kind that AWS IoT accepts, or an object that signs with one."""

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
_PROCESSED_WHEN_CRITICAL = {
    x509.BasicConstraints.oid,
    x509.KeyUsage.oid,
    x509.ExtendedKeyUsage.oid,
    x509.CRLDistributionPoints.oid,
    # These restrict nothing: names, identifiers, and certificate policies, which are all accepted.
    x509.SubjectAlternativeName.oid,
    x509.IssuerAlternativeName.oid,
    x509.CertificatePolicies.oid,
    x509.SubjectKeyIdentifier.oid,
    x509.AuthorityKeyIdentifier.oid,
}


class UnsupportedKeyError(JitrError):
    """AWS IoT Core does not accept this kind of key; the message names the kind."""


class UnsupportedSignatureError(JitrError):
    """AWS IoT Core does not accept this signature algorithm; the message names it."""


def supported_key(certificate: "Certificate") -> str:
    """Return the kind of the certificate's key, if AWS IoT Core accepts it.

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
    """Return the certificate's signature algorithm, if AWS IoT Core accepts it.

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


def check_device_certificate(certificate: "Certificate", *, may_be_a_ca: bool = False) -> None:
    """Check that AWS IoT Core accepts `certificate` as a device certificate.

    Args:
        certificate: The device certificate. Its issuer and its signature are not checked.
        may_be_a_ca: Whether it may have basicConstraints CA:TRUE.

    Raises:
        RefusedError: `UNSUPPORTED_KEY` (key or signature algorithm), `CA_CERTIFICATE`, or
            `UNSUPPORTED_KEY_USAGE`.
        MalformedCertificateError: Its extensions cannot be read.
    """
    try:
        supported_key(certificate)
    except UnsupportedKeyError as error:
        raise RefusedError(
            Reason.UNSUPPORTED_KEY, f"the key is {error}; AWS IoT takes {SUPPORTED_KEYS}"
        ) from error
    try:
        supported_signature(certificate)
    except UnsupportedSignatureError as error:
        raise RefusedError(
            Reason.UNSUPPORTED_KEY, f"signed with {error}; AWS IoT takes {SUPPORTED_SIGNATURES}"
        ) from error
    constraints = certificate.extension(x509.BasicConstraints)
    if constraints is not None and constraints.ca and not may_be_a_ca:
        raise RefusedError(
            Reason.CA_CERTIFICATE,
            "basicConstraints says CA:TRUE: this is a CA's certificate (RFC 5280 section 4.2.1.9)",
        )
    check_key_usage(certificate)


def check_key_usage(certificate: "Certificate") -> None:
    """Check that the certificate may be used by a TLS client, as far as its extensions restrict its use.

    RFC 5280 section 4.2.1.12: clientAuth, or any, in the extended key usage; digitalSignature or keyAgreement
    in the key usage. A certificate without these extensions is not restricted. A critical extension that is
    not processed here may restrict the use in any way (section 4.2).

    Raises:
        RefusedError: `UNSUPPORTED_KEY_USAGE`.
        MalformedCertificateError: Its extensions cannot be read.
    """
    extended = certificate.extension(x509.ExtendedKeyUsage)
    allowed = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if extended is not None and allowed.isdisjoint(extended):
        raise RefusedError(
            Reason.UNSUPPORTED_KEY_USAGE,
            "the extended key usage lacks clientAuth (RFC 5280 section 4.2.1.12)",
        )
    for extension in certificate.x509.extensions:
        if extension.critical and extension.oid not in _PROCESSED_WHEN_CRITICAL:
            raise RefusedError(
                Reason.UNSUPPORTED_KEY_USAGE,
                f"its critical extension {extension.oid.dotted_string} is not processed here (RFC 5280 "
                "section 4.2); issue a certificate in which it is not critical",
            )
    usage = certificate.extension(x509.KeyUsage)
    if usage is not None and not (usage.digital_signature or usage.key_agreement):
        raise RefusedError(
            Reason.UNSUPPORTED_KEY_USAGE,
            "the key usage lacks digitalSignature (RFC 5280 sections 4.2.1.3 and 4.2.1.12)",
        )
