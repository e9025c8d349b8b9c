"""Device certificates for tests: any subject, signed by a temporary CA."""

import warnings
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.extensions import Extension
from iot_jitr_cli.pki.validity import Validity
from iot_jitr_runtime.certificates import Certificate
from tests.support.pkix_der import tlv


@cache
def key(number: int = 0) -> ec.EllipticCurvePrivateKey:
    """Return the same key for the same number: making one for each test costs more than the tests."""
    del number
    return ec.generate_private_key(ec.SECP256R1())


def device_certificate(
    *common_names: str, serial_number: int = 0x0A1B, organization: str = ""
) -> Certificate:
    """Return a certificate with these common names, even with names that no CA should issue."""
    subject = [(NameOID.COMMON_NAME, name) for name in common_names]
    if organization:
        subject.append((NameOID.ORGANIZATION_NAME, organization))
    return certificate_of(subject, serial_number=serial_number)


def certificate_of(
    subject: list[tuple[x509.ObjectIdentifier, str]],
    *,
    serial_number: int = 0x0A1B,
    ca: DevelopmentCa | None = None,
    device_key: Any = None,
    digest: hashes.HashAlgorithm | None = None,
    extensions: Sequence[Extension] = (),
    validity: Validity | None = None,
) -> Certificate:
    """Return a certificate with this subject and just these extensions, signed by `ca` or another key.

    It is valid for a day before and after now, unless `validity` is given.
    """
    now = datetime.now(UTC)
    validity = validity or Validity(now - timedelta(days=1), now + timedelta(days=1))
    issuer = ca.certificate.x509.subject if ca else x509.Name([_attribute(NameOID.COMMON_NAME, "Test CA")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([_attribute(oid, value) for oid, value in subject]))
        .issuer_name(issuer)
        .public_key((device_key or key(1)).public_key())
        .serial_number(serial_number)
        .not_valid_before(validity.not_before)
        .not_valid_after(validity.not_after)
    )
    for extension in extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return Certificate(builder.sign(ca.key if ca else key(0), digest or hashes.SHA256()))


def ca_flag(*, ca: bool) -> Extension:
    """BasicConstraints of a CA's certificate, or of another one."""
    return Extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)


_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def key_usage(*usages: str) -> Extension:
    """A key usage with just these members of `x509.KeyUsage`."""
    return Extension(x509.KeyUsage(**{name: name in usages for name in _USAGES}), critical=True)


def extended_key_usage(*usages: x509.ObjectIdentifier) -> Extension:
    """An extended key usage with just these purposes."""
    return Extension(x509.ExtendedKeyUsage(usages))


def with_serial_number(certificate: Certificate, content: bytes) -> Certificate:
    """Return a certificate with another serial number, even one that no library writes; not validly signed.

    Args:
        certificate: The certificate.
        content: The content of the DER INTEGER.
    """
    former = bytes([2, former_length := (certificate.x509.serial_number.bit_length() // 8) + 1])
    former += certificate.x509.serial_number.to_bytes(former_length, "big")
    signed = certificate.x509.tbs_certificate_bytes
    fields = signed[_header(signed) :].replace(former, bytes([2, len(content)]) + content, 1)
    after = certificate.der[_header(certificate.der) + len(signed) :]
    return Certificate.load(tlv(0x30, tlv(0x30, fields) + after))


def _header(der: bytes) -> int:
    """Return how long tag and length of the first element are."""
    return 2 + (der[1] & 0x7F if der[1] & 0x80 else 0)


def _attribute(oid: x509.ObjectIdentifier, value: str) -> x509.NameAttribute:
    with warnings.catch_warnings():
        # A name that is empty or too long is made on purpose.
        warnings.simplefilter("ignore")
        return x509.NameAttribute(oid, value, _validate=False)
