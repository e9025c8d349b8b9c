"""Certificates that AWS IoT accepts: the same rules for CAs, device certificates and `jitr chain check`."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from iot_jitr_cli.chain.check import check_chain
from iot_jitr_cli.chain.findings import ChainStatus, CheckId
from iot_jitr_cli.pki.extensions import Extension
from iot_jitr_runtime.accepted_algorithms import (
    UnsupportedKeyError,
    UnsupportedSignatureError,
    check_device_certificate,
    supported_key,
    supported_signature,
)
from iot_jitr_runtime.ca_registration.validation import CaCertificateError, CaFault, check_ca_certificate
from iot_jitr_runtime.certificates import Certificate, MalformedCertificateError
from iot_jitr_runtime.outcomes import Reason, RefusedError
from tests.support.ca_builder import rsa_key
from tests.support.device_certificates import ca_flag, certificate_of, extended_key_usage, key_usage

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import (
        CertificateIssuerPrivateKeyTypes,
        CertificateIssuerPublicKeyTypes,
    )

P256 = ec.generate_private_key(ec.SECP256R1())
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)


def ca(
    key: "CertificateIssuerPublicKeyTypes",
    signer: "CertificateIssuerPrivateKeyTypes" = P256,
    digest: hashes.HashAlgorithm | None = hashes.SHA256(),  # noqa: B008 - immutable
    rsa_padding: padding.PSS | None = None,
) -> Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA")])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(name, name, key, x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    return Certificate(builder.sign(signer, digest, rsa_padding=rsa_padding))


@pytest.mark.parametrize(
    ("key", "name", "taken"),
    [
        (P256.public_key(), "EC secp256r1", True),
        (ec.generate_private_key(ec.SECP384R1()).public_key(), "EC secp384r1", True),
        (ec.generate_private_key(ec.SECP521R1()).public_key(), "EC secp521r1", True),
        (rsa_key(2048).public_key(), "RSA 2048 bits", True),
        (rsa_key(1024).public_key(), "RSA 1024 bits", False),
        (ec.generate_private_key(ec.SECP256K1()).public_key(), "EC secp256k1", False),
        (ed25519.Ed25519PrivateKey.generate().public_key(), "Ed25519", False),
        (dsa.generate_private_key(1024).public_key(), "DSA", False),
    ],
)
def test_a_key_is_accepted_or_refused_by_name(
    key: "CertificateIssuerPublicKeyTypes", name: str, *, taken: bool
) -> None:
    with nullcontext() if taken else pytest.raises(UnsupportedKeyError, match=f"^{name}$"):
        assert supported_key(ca(key)) == name


@pytest.mark.parametrize(
    ("signed", "name", "taken"),
    [
        (ca(P256.public_key()), "ECDSA with SHA256", True),
        (ca(P256.public_key(), digest=hashes.SHA384()), "ECDSA with SHA384", True),
        (ca(P256.public_key(), rsa_key(), hashes.SHA512()), "RSA with SHA512", True),
        (ca(P256.public_key(), rsa_key(), rsa_padding=PSS), "RSASSA-PSS with SHA256", True),
        (ca(P256.public_key(), digest=hashes.SHA224()), "with SHA224", False),
        (ca(P256.public_key(), digest=hashes.SHA3_256()), "with SHA3-256", False),
        (ca(P256.public_key(), ed25519.Ed25519PrivateKey.generate(), None), "with no known hash", False),
    ],
)
def test_a_signature_is_accepted_or_refused_by_name(signed: Certificate, name: str, *, taken: bool) -> None:
    refusal = pytest.raises(UnsupportedSignatureError, match=f"^algorithm [0-9.]+ {name}$")
    with nullcontext() if taken else refusal:
        assert supported_signature(signed) == name


def test_a_dsa_signature_with_sha256_is_refused_everywhere() -> None:
    signed = ca(P256.public_key(), dsa.generate_private_key(1024))

    with pytest.raises(UnsupportedSignatureError, match=r"2\.16\.840\.1\.101\.3\.4\.3\.2 with SHA256"):
        supported_signature(signed)
    with pytest.raises(CaCertificateError) as caught:
        check_ca_certificate(signed)
    assert caught.value.fault is CaFault.UNSUPPORTED_SIGNATURE
    finding = check_chain(signed.pem.encode())[CheckId.SIGNATURE_ALGORITHM]
    assert finding.status is ChainStatus.FAILED


CLIENT_AUTH, SERVER_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
EDWARDS = ed25519.Ed25519PrivateKey.generate()
UNKNOWN = Extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"))
UNREADABLE = Extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.37"), b"\x04\x00"))


def device(*extensions: Extension, **how: Any) -> Certificate:
    return certificate_of([(NameOID.COMMON_NAME, "sensor-1")], extensions=extensions, **how)


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        # The key and the signature; their tables are above.
        (device(), None),
        (device(device_key=rsa_key(1024)), Reason.UNSUPPORTED_KEY),
        (device(digest=hashes.SHA224()), Reason.UNSUPPORTED_KEY),
        # basicConstraints: RFC 5280 section 4.2.1.9.
        (device(ca_flag(ca=False)), None),
        (device(ca_flag(ca=True)), Reason.CA_CERTIFICATE),
        # Key usage: RFC 5280 sections 4.2.1.3 and 4.2.1.12. Without the extension nothing is restricted.
        (device(key_usage("digital_signature")), None),
        (device(key_usage("digital_signature", "key_encipherment")), None),
        (device(key_usage("key_agreement")), None),
        (device(key_usage("key_encipherment")), Reason.UNSUPPORTED_KEY_USAGE),
        (device(key_usage("key_cert_sign", "crl_sign")), Reason.UNSUPPORTED_KEY_USAGE),
        # Extended key usage: RFC 5280 section 4.2.1.12.
        (device(extended_key_usage(CLIENT_AUTH)), None),
        (device(extended_key_usage(SERVER_AUTH, CLIENT_AUTH)), None),
        (device(extended_key_usage(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)), None),
        (device(extended_key_usage(SERVER_AUTH)), Reason.UNSUPPORTED_KEY_USAGE),
        (device(key_usage("crl_sign"), extended_key_usage(CLIENT_AUTH)), Reason.UNSUPPORTED_KEY_USAGE),
        # Critical extensions: RFC 5280 section 4.2.
        (device(UNKNOWN), None),
        (device(Extension(UNKNOWN.value, critical=True)), Reason.UNSUPPORTED_KEY_USAGE),
        (device(Extension(x509.PolicyConstraints(0, None), critical=True)), Reason.UNSUPPORTED_KEY_USAGE),
        (device(Extension(x509.SubjectAlternativeName([x509.DNSName("x")]), critical=True)), None),
    ],
)  # fmt: skip
def test_a_device_certificate_is_accepted_or_refused_with_its_reason(
    certificate: Certificate, reason: Reason | None
) -> None:
    found = None
    try:
        check_device_certificate(certificate)
    except RefusedError as error:
        found = error.reason
    assert found is reason


def test_an_allowed_ca_certificate_must_pass_the_other_checks() -> None:
    check_device_certificate(device(ca_flag(ca=True)), may_be_a_ca=True)

    with pytest.raises(RefusedError) as caught:
        check_device_certificate(device(ca_flag(ca=True), device_key=EDWARDS), may_be_a_ca=True)
    assert caught.value.reason is Reason.UNSUPPORTED_KEY


def test_extensions_that_cannot_be_read_are_malformed() -> None:
    with pytest.raises(MalformedCertificateError):
        check_device_certificate(device(UNREADABLE))
