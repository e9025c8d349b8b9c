"""Verification certificates as AWS IoT expects them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from iot_jitr_runtime.ca_registration.verification import (
    check_registration_code,
    load_verification_certificate,
    make_verification_certificate,
)
from iot_jitr_runtime.certificates import Certificate
from tests.support.ca_builder import CaSpec, rsa_key

CODE = "0a1b" * 16


@pytest.mark.parametrize(
    ("key", "expected_hash"),
    [
        (rsa_key(), "sha256"),
        (ec.generate_private_key(ec.SECP256R1()), "sha256"),
        (ec.generate_private_key(ec.SECP384R1()), "sha384"),
        (ec.generate_private_key(ec.SECP521R1()), "sha512"),
    ],
)
def test_names_the_registration_code_and_is_signed_by_the_ca(key: Any, expected_hash: str) -> None:
    ca = CaSpec(key=key).build()

    made = load_verification_certificate(make_verification_certificate(ca, key, CODE), ca)

    check_registration_code(made, CODE)
    assert made.x509.signature_hash_algorithm is not None
    assert made.x509.signature_hash_algorithm.name == expected_hash
    assert made.x509.public_key() != ca.x509.public_key()
    assert not made.x509.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_is_valid_now_and_for_a_day() -> None:
    spec = CaSpec()
    before = datetime.now(UTC).replace(microsecond=0)

    made = Certificate.load(make_verification_certificate(spec.build(), spec.key, CODE))

    made.check_validity()
    assert before <= made.not_after - timedelta(days=1) <= datetime.now(UTC)


def test_is_never_valid_beyond_its_ca() -> None:
    spec = CaSpec(starts_in_days=0.25, ends_in_days=0.5)
    ca = spec.build()

    made = Certificate.load(make_verification_certificate(ca, spec.key, CODE, validity=timedelta(days=30)))

    assert made.not_before == ca.not_before
    assert made.not_after == ca.not_after


def test_each_verification_certificate_has_a_new_key_and_serial_number() -> None:
    spec = CaSpec()
    ca = spec.build()

    first, second = (Certificate.load(make_verification_certificate(ca, spec.key, CODE)) for _ in range(2))

    assert first.serial_number != second.serial_number
    assert first.x509.public_key() != second.x509.public_key()
