"""Keys and signatures that AWS IoT takes: one answer for CAs to register and for `jitr chain check`."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding
from cryptography.x509.oid import NameOID

from iot_jitr_cli.chain.check import check_chain
from iot_jitr_cli.chain.findings import CheckId, Status
from iot_jitr_runtime.accepted_algorithms import (
    UnsupportedKeyError,
    UnsupportedSignatureError,
    supported_key,
    supported_signature,
)
from iot_jitr_runtime.ca_registration.validation import WeakSignatureError, check_ca_certificate
from iot_jitr_runtime.certificates import Certificate
from tests.support.ca_builder import rsa_key

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
    ("key", "name"),
    [
        (P256.public_key(), "EC secp256r1"),
        (ec.generate_private_key(ec.SECP384R1()).public_key(), "EC secp384r1"),
        (ec.generate_private_key(ec.SECP521R1()).public_key(), "EC secp521r1"),
        (rsa_key(2048).public_key(), "RSA 2048 bits"),
    ],
)
def test_keys_that_are_taken_are_named(key: "CertificateIssuerPublicKeyTypes", name: str) -> None:
    assert supported_key(ca(key)) == name


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (rsa_key(1024).public_key(), "RSA 1024 bits"),
        (ec.generate_private_key(ec.SECP256K1()).public_key(), "EC secp256k1"),
        (ed25519.Ed25519PrivateKey.generate().public_key(), "Ed25519"),
        (dsa.generate_private_key(1024).public_key(), "DSA"),
    ],
)
def test_other_keys_are_refused_by_name(key: "CertificateIssuerPublicKeyTypes", name: str) -> None:
    with pytest.raises(UnsupportedKeyError, match=f"^{name}$"):
        supported_key(ca(key))


@pytest.mark.parametrize(
    ("signed", "name"),
    [
        (ca(P256.public_key()), "ECDSA with SHA256"),
        (ca(P256.public_key(), digest=hashes.SHA384()), "ECDSA with SHA384"),
        (ca(P256.public_key(), rsa_key(), hashes.SHA512()), "RSA with SHA512"),
        (ca(P256.public_key(), rsa_key(), rsa_padding=PSS), "RSASSA-PSS with SHA256"),
    ],
)
def test_signatures_that_are_taken_are_named(signed: Certificate, name: str) -> None:
    assert supported_signature(signed) == name


@pytest.mark.parametrize(
    ("signed", "name"),
    [
        (ca(P256.public_key(), digest=hashes.SHA224()), "with SHA224"),
        (ca(P256.public_key(), digest=hashes.SHA3_256()), "with SHA3-256"),
        (ca(P256.public_key(), ed25519.Ed25519PrivateKey.generate(), None), "with no known hash"),
    ],
)
def test_other_signatures_are_refused_by_name(signed: Certificate, name: str) -> None:
    with pytest.raises(UnsupportedSignatureError, match=f"^algorithm [0-9.]+ {name}$"):
        supported_signature(signed)


def test_a_good_hash_does_not_make_a_dsa_signature_good_anywhere() -> None:
    signed = ca(P256.public_key(), dsa.generate_private_key(1024))

    with pytest.raises(UnsupportedSignatureError, match=r"2\.16\.840\.1\.101\.3\.4\.3\.2 with SHA256"):
        supported_signature(signed)
    with pytest.raises(WeakSignatureError, match="AWS IoT takes RSA or ECDSA"):
        check_ca_certificate(signed)
    finding = check_chain(signed.pem.encode())[CheckId.SIGNATURE_ALGORITHM]
    assert finding.status is Status.FAILED
