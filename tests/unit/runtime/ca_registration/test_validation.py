"""Which certificates cannot be registered as a CA certificate, and why."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_runtime.ca_registration.validation import (
    CaCertificateError,
    CaFault,
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
    ("spec", "fault", "message"),
    [
        (
            CaSpec(is_ca=False, may_sign=False),
            CaFault.NOT_A_CA,
            r"found CA:FALSE.*is it a device certificate\?",
        ),
        (CaSpec(is_ca=None), CaFault.NOT_A_CA, "found no basicConstraints"),
        (CaSpec(may_sign=False), CaFault.NOT_A_CA, "lacks keyCertSign"),
        (CaSpec(starts_in_days=-20, ends_in_days=-10), CaFault.EXPIRED, "expired on .*successor"),
        (CaSpec(starts_in_days=10, ends_in_days=20), CaFault.NOT_YET_VALID, "valid from"),
        (
            CaSpec(key=rsa_key(1024)),
            CaFault.UNSUPPORTED_KEY,
            "key is RSA 1024 bits; AWS IoT takes RSA with at least 2048",
        ),
        (CaSpec(key=ec.generate_private_key(ec.SECP256K1())), CaFault.UNSUPPORTED_KEY, "key is EC secp256k1"),
        (CaSpec(key=ec.generate_private_key(ec.SECP224R1())), CaFault.UNSUPPORTED_KEY, "key is EC secp224r1"),
        (
            CaSpec(key=ed25519.Ed25519PrivateKey.generate(), hash=None),
            CaFault.UNSUPPORTED_KEY,
            "key is Ed25519",
        ),
        (CaSpec(hash=hashes.SHA224()), CaFault.UNSUPPORTED_SIGNATURE, "with SHA224; AWS IoT takes"),
        (CaSpec(hash=hashes.SHA3_256()), CaFault.UNSUPPORTED_SIGNATURE, "with SHA3-256; AWS IoT takes"),
    ],
)
def test_unsound_certificates_are_refused(spec: CaSpec, fault: CaFault, message: str) -> None:
    with pytest.raises(CaCertificateError, match=message) as caught:
        check_ca_certificate(spec.build())
    assert caught.value.fault is fault
    assert "\n" not in str(caught.value)


EC_PUBLIC_KEY = bytes.fromhex("06072a8648ce3d0201")
ECDSA_WITH_SHA256 = bytes.fromhex("06082a8648ce3d040302")


@pytest.mark.parametrize(
    ("identifier", "fault", "message"),
    [
        (EC_PUBLIC_KEY, CaFault.UNSUPPORTED_KEY, "a key that cannot be read"),
        (
            ECDSA_WITH_SHA256,
            CaFault.UNSUPPORTED_SIGNATURE,
            r"signed with algorithm 1\.2\.840\.10045\.4\.3\.127",
        ),
    ],
)
def test_unknown_algorithms_are_refused(identifier: bytes, fault: CaFault, message: str) -> None:
    unknown = Certificate.load(SOUND.der.replace(identifier, identifier[:-1] + b"\x7f"))

    with pytest.raises(CaCertificateError, match=message) as caught:
        check_ca_certificate(unknown)
    assert caught.value.fault is fault


@pytest.mark.parametrize(
    ("text", "fault", "message"),
    [
        ("", CaFault.NOT_A_CERTIFICATE, "not a certificate; expected PEM"),
        ("hello", CaFault.NOT_A_CERTIFICATE, "not a certificate; expected PEM"),
        (SOUND.pem[:200], CaFault.NOT_A_CERTIFICATE, r"cannot be read.*damaged"),
        (SOUND.pem.replace("M", "N", 5), CaFault.NOT_A_CERTIFICATE, r"cannot be read.*damaged"),
        (SOUND.pem * 3, CaFault.SEVERAL_CERTIFICATES, "found 3 certificates in place of the CA certificate"),
        (SOUND.pem + pem_of(CaSpec().key), CaFault.NOT_ONLY_A_CERTIFICATE, "no key may ever be"),
        (pem_of(CaSpec().key), CaFault.NOT_ONLY_A_CERTIFICATE, "no key may ever be"),
        (pem_of(CaSpec().key, "secret"), CaFault.NOT_ONLY_A_CERTIFICATE, "no key may ever be"),
    ],
)
def test_other_files_are_refused(text: str, fault: CaFault, message: str) -> None:
    with pytest.raises(CaCertificateError, match=message) as caught:
        load_ca_certificate(text)
    assert caught.value.fault is fault
    assert not [line for line in text.splitlines() if len(line) == 64 and line in str(caught.value)]


def test_text_around_the_certificate_is_ignored() -> None:
    assert load_ca_certificate(f"subject=CN = Test CA\n{SOUND.pem}\n").der == SOUND.der


@given(st.text())
def test_any_text_is_either_a_certificate_or_refused(text: str) -> None:
    with pytest.raises(CaCertificateError):
        load_ca_certificate(text)


@pytest.mark.parametrize(("days", "soon"), [(0.5, True), (89.9, True), (90.1, False), (3650, False)])
def test_a_ca_expires_soon_from_ninety_days_before_its_end(days: float, soon: Any) -> None:
    assert expires_soon(CaSpec(ends_in_days=days).build()) is soon


def test_the_ends_of_the_validity_allow_for_clocks_that_differ() -> None:
    ca = CaSpec().build()

    check_ca_certificate(ca, ca.not_before - timedelta(seconds=4))
    check_ca_certificate(ca, ca.not_after + timedelta(seconds=4))
    with pytest.raises(CaCertificateError, match="valid from"):
        check_ca_certificate(ca, ca.not_before - timedelta(seconds=6))
    with pytest.raises(CaCertificateError, match="expired"):
        check_ca_certificate(ca, ca.not_after + timedelta(seconds=6))


def test_a_ca_with_the_first_and_the_last_date_that_there_are_is_valid() -> None:
    made = CaSpec(
        starts=datetime(2050, 1, 1, tzinfo=UTC), ends=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    )
    ca = Certificate.load(made.build().der.replace(b"20500101000000Z", b"00010101000000Z"))

    check_ca_certificate(ca)

    assert not expires_soon(ca)


def test_a_ca_with_extensions_that_cannot_be_read_is_refused() -> None:
    basic_constraints = bytes.fromhex("0603551d13")
    key_usage = bytes.fromhex("0603551d0f")
    twice = Certificate.load(SOUND.der.replace(key_usage, basic_constraints))

    with pytest.raises(CaCertificateError) as caught:
        check_ca_certificate(twice)

    assert caught.value.fault is CaFault.NOT_A_CERTIFICATE
