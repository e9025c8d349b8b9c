"""The X.509 extensions that AWS IoT Core and other verifiers check in CA and device certificates."""

from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from iot_jitr_runtime.accepted_algorithms import PublicKey


@dataclass(frozen=True)
class Extension:
    """An extension and whether it is critical (RFC 5280 section 4.2)."""

    value: x509.ExtensionType
    critical: bool = False


def ca_extensions(public_key: PublicKey) -> list[Extension]:
    """The extensions of a CA certificate (RFC 5280 sections 4.2.1.2, 4.2.1.3 and 4.2.1.9).

    It may sign device certificates and CRLs, but no further CA.
    """
    return [
        Extension(x509.BasicConstraints(ca=True, path_length=0), critical=True),
        Extension(key_usage(key_cert_sign=True, crl_sign=True), critical=True),
        Extension(x509.SubjectKeyIdentifier.from_public_key(public_key)),
    ]


def device_extensions(public_key: PublicKey, ca: x509.Certificate) -> list[Extension]:
    """The extensions of a TLS client's certificate (RFC 5280 sections 4.2.1.1 to 3, 9 and 12)."""
    return [
        Extension(x509.BasicConstraints(ca=False, path_length=None), critical=True),
        Extension(key_usage(digital_signature=True), critical=True),
        Extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])),
        Extension(x509.SubjectKeyIdentifier.from_public_key(public_key)),
        Extension(_authority_key_identifier(ca)),
    ]


def crl_distribution_points(*urls: str) -> Extension:
    """The locations of the certificate's CRL (RFC 5280 section 4.2.1.13), one point for each URL."""
    points = [x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None) for url in urls]
    return Extension(x509.CRLDistributionPoints(points))


def key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    """The key usage with these purposes and no others (RFC 5280 section 4.2.1.3)."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_key_identifier(ca: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        identifier = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key())  # type: ignore[arg-type]
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value)
