import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_cli.pki.extensions import Extension
from iot_jitr_cli.pki.keys import KeyKind
from iot_jitr_cli.pki.validity import Validity
from iot_jitr_runtime.certificates import CLOCK_TOLERANCE, Certificate, MalformedCertificateError
from iot_jitr_runtime.outcomes import Reason, RefusedError
from tests.support.pkix_der import BIT_STRING_NAME, directory, sequence

CA = DevelopmentCa.create()
DEVICE = CA.issue(DeviceSpec("sensor-1", serial_number=0x0F00)).certificate


@pytest.mark.parametrize("data", [DEVICE.pem, DEVICE.pem.encode(), DEVICE.x509.public_bytes(Encoding.DER)])
def test_a_certificate_reads_the_same_from_pem_and_der(data: bytes | str) -> None:
    assert Certificate.load(data).fingerprint == DEVICE.fingerprint


def test_the_fingerprint_is_the_sha256_of_the_der() -> None:
    assert DEVICE.fingerprint == hashlib.sha256(DEVICE.der).hexdigest()


def test_the_serial_number_is_lower_case_hexadecimal_without_leading_zeros() -> None:
    assert DEVICE.serial_number == "f00"


@pytest.mark.parametrize("data", [b"", b"garbage", DEVICE.der[:-1], DEVICE.pem.replace("M", "!", 1)])
def test_data_that_is_no_certificate_is_refused_with_one_line(data: bytes | str) -> None:
    with pytest.raises(MalformedCertificateError, match=r"not an X\.509 certificate"):
        Certificate.load(data)


def test_several_certificates_are_refused() -> None:
    with pytest.raises(MalformedCertificateError, match="found 2 certificates, expected one"):
        Certificate.load(DEVICE.pem + CA.certificate.pem)


@given(st.binary(max_size=2_000))
def test_the_parser_raises_only_malformed_certificate_error(data: bytes) -> None:
    try:
        Certificate.load(data)
    except MalformedCertificateError:
        return


@given(st.integers(0, len(DEVICE.der) - 1), st.integers(0, 255))
def test_a_certificate_with_a_changed_byte_is_never_accepted(at: int, value: int) -> None:
    changed = DEVICE.der[:at] + bytes([value]) + DEVICE.der[at + 1 :]
    try:
        certificate = Certificate.load(changed)
        certificate.check_issued_by(CA.certificate)
    except (MalformedCertificateError, RefusedError):
        return
    # The change has no effect only if the byte is the same or the parser normalises it.
    assert certificate.x509.tbs_certificate_bytes == DEVICE.x509.tbs_certificate_bytes


@pytest.mark.parametrize("kind", KeyKind)
def test_the_signature_of_every_kind_of_ca_verifies(kind: KeyKind) -> None:
    ca = DevelopmentCa.create(key=kind)
    ca.issue(DeviceSpec("sensor-1")).certificate.check_issued_by(ca.certificate)


@pytest.mark.parametrize(
    ("ca", "reason"),
    [
        (DevelopmentCa.create(), Reason.BAD_SIGNATURE),
        (DevelopmentCa.create(key=KeyKind.RSA_2048), Reason.UNSUPPORTED_KEY),
        (DevelopmentCa.create(name="another name"), Reason.ISSUER_MISMATCH),
    ],
)
def test_a_certificate_of_another_issuer_is_refused(ca: DevelopmentCa, reason: Reason) -> None:
    with pytest.raises(RefusedError) as caught:
        DEVICE.check_issued_by(ca.certificate)
    assert caught.value.reason is reason


def test_an_issuer_name_in_another_encoding_does_not_match() -> None:
    der = DEVICE.der.replace(b"\x0c", b"\x13", 1)
    assert der != DEVICE.der

    with pytest.raises(RefusedError, match="byte for byte") as caught:
        Certificate.load(der).check_issued_by(CA.certificate)

    assert caught.value.reason is Reason.ISSUER_MISMATCH


@pytest.mark.parametrize("seconds", [0, CLOCK_TOLERANCE.total_seconds()])
def test_the_validity_period_includes_its_ends_and_a_tolerance(seconds: float) -> None:
    DEVICE.check_validity(DEVICE.not_before - timedelta(seconds=seconds))
    DEVICE.check_validity(DEVICE.not_after + timedelta(seconds=seconds))


FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""The bounds of a certificate's validity and of Python's dates."""
BEYOND = CLOCK_TOLERANCE + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (DEVICE.not_before - BEYOND, Reason.NOT_YET_VALID),
        (FIRST, Reason.NOT_YET_VALID),
        (DEVICE.not_after + BEYOND, Reason.EXPIRED),
        (LAST, Reason.EXPIRED),
    ],
    ids=["just before", "the first possible date", "just after", "the last possible date"],
)
def test_outside_the_validity_period_a_certificate_is_refused(now: datetime, reason: Reason) -> None:
    with pytest.raises(RefusedError) as caught:
        DEVICE.check_validity(now)
    assert caught.value.reason is reason


def test_a_certificate_without_an_end_is_valid_at_any_time() -> None:
    """notAfter 99991231235959Z: RFC 5280 section 4.1.2.5."""
    start = datetime(2050, 1, 1, tzinfo=UTC)
    made = CA.issue(DeviceSpec("sensor-1", validity=Validity(start, LAST))).certificate
    always = Certificate.load(made.der.replace(b"20500101000000Z", b"00010101000000Z"))
    assert (always.not_before, always.not_after) == (FIRST, LAST)

    for now in (FIRST, datetime.now(UTC), LAST.replace(microsecond=999_999)):
        always.check_validity(now)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("2.5.29.31", b"\x04\x00"), ("2.5.29.17", sequence(directory(BIT_STRING_NAME)))],
    ids=["another structure", "a name of another type"],
)
def test_an_absent_extension_is_none_and_an_unreadable_one_an_error(kind: str, value: bytes) -> None:
    broken = Extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(kind), value))
    unreadable = CA.issue(DeviceSpec("sensor-1", extensions=(broken,))).certificate

    assert CA.certificate.extension(x509.BasicConstraints) == x509.BasicConstraints(ca=True, path_length=0)
    assert DEVICE.extension(x509.CRLDistributionPoints) is None
    with pytest.raises(MalformedCertificateError):
        unreadable.extension(x509.BasicConstraints)


def test_a_subject_is_written_as_in_rfc_4514() -> None:
    assert DEVICE.subject == "CN=sensor-1"
