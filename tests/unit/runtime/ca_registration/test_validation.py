"""What may not become a CA certificate, each with its own error."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_runtime.ca_registration.validation import (
    CaCertificateError,
    CaExpiredError,
    CaNotYetValidError,
    KeyInCertificateFileError,
    NotACaError,
    NotACertificateError,
    SeveralCertificatesError,
    WeakKeyError,
    WeakSignatureError,
    check_ca_certificate,
    expires_soon,
    load_ca_certificate,
)
from iot_jitr_runtime.certificates import Certificate
from tests.support.ca_builder import CaSpec, pem_of, rsa_key

SOUND = CaSpec().build()


@pytest.mark.parametrize(
    "spec",
    [
        CaSpec(),
        CaSpec(key=ec.generate_private_key(ec.SECP384R1()), hash=hashes.SHA384()),
        CaSpec(key=ec.generate_private_key(ec.SECP521R1()), hash=hashes.SHA512()),
        CaSpec(key=rsa_key()),
        CaSpec(key=rsa_key(), hash=hashes.SHA512()),
        CaSpec(may_sign=None),
    ],
)
def test_sound_certificates_pass(spec: CaSpec) -> None:
    check_ca_certificate(spec.build())


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        (CaSpec(is_ca=False, may_sign=False), NotACaError, r"found CA:FALSE.*is it a device certificate\?"),
        (CaSpec(is_ca=None), NotACaError, "found no basicConstraints"),
        (CaSpec(may_sign=False), NotACaError, "lacks keyCertSign"),
        (CaSpec(starts_in_days=-20, ends_in_days=-10), CaExpiredError, "expired on .*successor"),
        (CaSpec(starts_in_days=10, ends_in_days=20), CaNotYetValidError, "not valid before"),
        (
            CaSpec(key=rsa_key(1024)),
            WeakKeyError,
            "key is RSA 1024 bits; AWS IoT takes RSA with at least 2048",
        ),
        (CaSpec(key=ec.generate_private_key(ec.SECP256K1())), WeakKeyError, "key is EC secp256k1"),
        (CaSpec(key=ec.generate_private_key(ec.SECP224R1())), WeakKeyError, "key is EC secp224r1"),
        (CaSpec(key=ed25519.Ed25519PrivateKey.generate(), hash=None), WeakKeyError, "key is Ed25519"),
        (CaSpec(hash=hashes.SHA224()), WeakSignatureError, "with SHA224; AWS IoT takes"),
        (CaSpec(hash=hashes.SHA3_256()), WeakSignatureError, "with SHA3-256; AWS IoT takes"),
    ],
)
def test_unsound_certificates_are_refused_by_name(spec: CaSpec, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        check_ca_certificate(spec.build())
    assert isinstance(caught.value, CaCertificateError)
    assert "\n" not in str(caught.value)


EC_PUBLIC_KEY = bytes.fromhex("06072a8648ce3d0201")
ECDSA_WITH_SHA256 = bytes.fromhex("06082a8648ce3d040302")


@pytest.mark.parametrize(
    ("identifier", "error", "message"),
    [
        (EC_PUBLIC_KEY, WeakKeyError, "a key that cannot be read"),
        (ECDSA_WITH_SHA256, WeakSignatureError, r"signed with algorithm 1\.2\.840\.10045\.4\.3\.127"),
    ],
)
def test_algorithms_that_nobody_knows_are_refused(
    identifier: bytes, error: type[Exception], message: str
) -> None:
    unknown = Certificate.load(SOUND.der.replace(identifier, identifier[:-1] + b"\x7f"))

    with pytest.raises(error, match=message):
        check_ca_certificate(unknown)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", NotACertificateError, "not a certificate; expected PEM"),
        ("hello", NotACertificateError, "not a certificate; expected PEM"),
        (SOUND.pem[:200], NotACertificateError, r"cannot be read.*damaged"),
        (SOUND.pem.replace("M", "N", 5), NotACertificateError, r"cannot be read.*damaged"),
        (SOUND.pem * 3, SeveralCertificatesError, "found 3 certificates in place of the CA certificate"),
        (SOUND.pem + pem_of(CaSpec().key), KeyInCertificateFileError, "no key may ever be"),
        (pem_of(CaSpec().key), KeyInCertificateFileError, "no key may ever be"),
        (pem_of(CaSpec().key, "secret"), KeyInCertificateFileError, "no key may ever be"),
    ],
)
def test_other_files_are_refused_by_name(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        load_ca_certificate(text)
    assert not [line for line in text.splitlines() if len(line) == 64 and line in str(caught.value)]


def test_text_around_the_certificate_is_no_harm() -> None:
    assert load_ca_certificate(f"subject=CN = Test CA\n{SOUND.pem}\n").der == SOUND.der


@given(st.text())
def test_any_text_is_either_a_certificate_or_refused(text: str) -> None:
    with pytest.raises(CaCertificateError):
        load_ca_certificate(text)


@pytest.mark.parametrize(("days", "soon"), [(0.5, True), (89.9, True), (90.1, False), (3650, False)])
def test_a_ca_is_announced_ninety_days_before_its_end(days: float, soon: Any) -> None:
    assert expires_soon(CaSpec(ends_in_days=days).build()) is soon


def test_the_border_of_the_validity_allows_for_unequal_clocks() -> None:
    ca = CaSpec().build()

    check_ca_certificate(ca, ca.not_before - timedelta(seconds=4))
    check_ca_certificate(ca, ca.not_after + timedelta(seconds=4))
    with pytest.raises(CaNotYetValidError):
        check_ca_certificate(ca, ca.not_before - timedelta(seconds=6))
    with pytest.raises(CaExpiredError):
        check_ca_certificate(ca, ca.not_after + timedelta(seconds=6))
    assert ca.not_after > datetime.now(UTC)
