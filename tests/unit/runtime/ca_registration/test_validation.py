"""Which certificates cannot be registered as a CA certificate, and why."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
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
from tests.support.endless import endless_ca

SOUND = CaSpec().build()


# All keys and signatures that AWS IoT takes, and others, are in test_accepted_algorithms.py.
@pytest.mark.parametrize("spec", [CaSpec(), CaSpec(key=rsa_key()), CaSpec(may_sign=None)])
def test_sound_certificates_pass(spec: CaSpec) -> None:
    check_ca_certificate(spec.build())


def fault_of(ca: Certificate) -> tuple[CaFault, str]:
    with pytest.raises(CaCertificateError) as caught:
        check_ca_certificate(ca)
    assert "\n" not in str(caught.value)
    return caught.value.fault, str(caught.value)


@pytest.mark.parametrize(
    ("spec", "fault", "found"),
    [
        (CaSpec(is_ca=False, may_sign=False), CaFault.NOT_A_CA, "CA:FALSE"),
        (CaSpec(is_ca=None), CaFault.NOT_A_CA, "no basicConstraints"),
        (CaSpec(may_sign=False), CaFault.NOT_A_CA, "lacks keyCertSign"),
        (CaSpec(starts_in_days=-20, ends_in_days=-10), CaFault.EXPIRED, "expired on "),
        (CaSpec(starts_in_days=10, ends_in_days=20), CaFault.NOT_YET_VALID, "valid from"),
        (CaSpec(key=ec.generate_private_key(ec.SECP224R1())), CaFault.UNSUPPORTED_KEY, "EC secp224r1"),
        (CaSpec(hash=hashes.SHA224()), CaFault.UNSUPPORTED_SIGNATURE, "SHA224"),
    ],
)
def test_unsound_certificates_are_refused(spec: CaSpec, fault: CaFault, found: str) -> None:
    refused, message = fault_of(spec.build())

    assert refused is fault
    assert found in message


BASIC_CONSTRAINTS = bytes.fromhex("0603551d13")
KEY_USAGE = bytes.fromhex("0603551d0f")
EC_PUBLIC_KEY = bytes.fromhex("06072a8648ce3d0201")
ECDSA_WITH_SHA256 = bytes.fromhex("06082a8648ce3d040302")


@pytest.mark.parametrize(
    ("identifier", "other", "fault", "found"),
    [
        (EC_PUBLIC_KEY, EC_PUBLIC_KEY[:-1] + b"\x7f", CaFault.UNSUPPORTED_KEY, "a key that cannot be read"),
        (
            ECDSA_WITH_SHA256,
            ECDSA_WITH_SHA256[:-1] + b"\x7f",
            CaFault.UNSUPPORTED_SIGNATURE,
            "algorithm 1.2.840.10045.4.3.127",
        ),
        (KEY_USAGE, BASIC_CONSTRAINTS, CaFault.NOT_A_CERTIFICATE, ""),
    ],
    ids=["an unknown key", "an unknown signature", "an extension twice"],
)
def test_an_unreadable_part_is_refused(identifier: bytes, other: bytes, fault: CaFault, found: str) -> None:
    refused, message = fault_of(Certificate.load(SOUND.der.replace(identifier, other)))

    assert refused is fault
    assert found in message


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", CaFault.NOT_A_CERTIFICATE),
        ("hello", CaFault.NOT_A_CERTIFICATE),
        (SOUND.pem[:200], CaFault.NOT_A_CERTIFICATE),
        (SOUND.pem.replace("M", "N", 5), CaFault.NOT_A_CERTIFICATE),
        (SOUND.pem * 3, CaFault.SEVERAL_CERTIFICATES),
        (SOUND.pem + pem_of(CaSpec().key), CaFault.NOT_ONLY_A_CERTIFICATE),
        (pem_of(CaSpec().key), CaFault.NOT_ONLY_A_CERTIFICATE),
        (pem_of(CaSpec().key, "secret"), CaFault.NOT_ONLY_A_CERTIFICATE),
    ],
)
def test_files_of_another_kind_are_refused(text: str, fault: CaFault) -> None:
    with pytest.raises(CaCertificateError) as caught:
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


def test_the_validity_check_tolerates_clock_differences() -> None:
    ca = CaSpec().build()

    check_ca_certificate(ca, ca.not_before - timedelta(seconds=4))
    check_ca_certificate(ca, ca.not_after + timedelta(seconds=4))
    for beyond in (ca.not_before - timedelta(seconds=6), ca.not_after + timedelta(seconds=6)):
        with pytest.raises(CaCertificateError):
            check_ca_certificate(ca, beyond)


def test_a_ca_with_the_first_and_the_last_possible_date_is_valid() -> None:
    ca = endless_ca().certificate

    check_ca_certificate(ca)

    assert not expires_soon(ca)
