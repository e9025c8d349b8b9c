"""Entries are read exactly, or the CRL is unusable."""

from collections import Counter
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_runtime.revocation.crl import Crl
from iot_jitr_runtime.revocation.entries import entries
from iot_jitr_runtime.revocation.model import RejectionReason, RevocationReason, UnusableCrlError, serial_key
from tests.support.crls import HOLD, NOW, CrlSpec, Entry, Extension, make_crl, raw_crl
from tests.support.pkix_der import BIT_STRING_NAME, directory, entry, extension, sequence, utc_time

CA = DevelopmentCa.create()
REASONS = {
    "unspecified": 0,
    "key_compromise": 1,
    "ca_compromise": 2,
    "affiliation_changed": 3,
    "superseded": 4,
    "cessation_of_operation": 5,
    "certificate_hold": 6,
    "privilege_withdrawn": 9,
    "aa_compromise": 10,
}
"""RFC 5280 section 5.3.1."""
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
INVALIDITY: Extension = (x509.InvalidityDate(datetime(2026, 1, 1)), False)  # noqa: DTZ001 - as it wants it
REASON_CODE = "551d15"
PAST = utc_time(NOW - timedelta(days=1))

serials = st.integers(1, 2**159 - 1)
reasons = st.none() | st.sampled_from(sorted(REASONS)).map(x509.ReasonFlags.__getitem__)
times = st.sampled_from([NOW - timedelta(days=1), datetime(2051, 1, 1, tzinfo=NOW.tzinfo)])
odd_extensions = st.lists(st.sampled_from([INVALIDITY, (UNKNOWN, False)]), unique=True, max_size=2)
any_entries = st.builds(Entry, serials, reasons) | st.builds(Entry, serials, reasons, odd_extensions, times)


def read(crl: Crl) -> Counter[tuple[int, RevocationReason]]:
    return Counter((int.from_bytes(serial, "big", signed=True), reason) for serial, reason in entries(crl))


def expected(wanted: list[Entry]) -> Counter[tuple[int, RevocationReason]]:
    return Counter(
        (each.serial, RevocationReason(REASONS[each.reason.name] if each.reason else 0)) for each in wanted
    )


def load(*wanted: Entry) -> Crl:
    return Crl.load(make_crl(CA, CrlSpec(entries=wanted)))


def refused(*raw: bytes) -> UnusableCrlError:
    with pytest.raises(UnusableCrlError) as caught:
        read(Crl.load(raw_crl(CA, entries=raw)))
    return caught.value


def test_a_crl_without_entries_is_read_as_empty() -> None:
    assert read(load()) == Counter()


@pytest.mark.parametrize("name", REASONS)
def test_every_reason_is_read(name: str) -> None:
    crl = load(Entry(5, x509.ReasonFlags[name]))

    assert read(crl) == Counter({(5, RevocationReason(REASONS[name])): 1})


def test_every_reason_has_the_name_of_the_rfc() -> None:
    labels = {reason.label for reason in RevocationReason}

    assert labels == {flag.value for flag in x509.ReasonFlags} - {"removeFromCRL"}


@given(st.lists(any_entries, max_size=20))
def test_random_entries_are_read_unchanged(wanted: list[Entry]) -> None:
    assert read(load(*wanted)) == expected(wanted)


@given(st.lists(st.builds(entry, st.binary(min_size=1, max_size=24), st.just(PAST)), max_size=5))
def test_serial_numbers_are_read_as_cryptography_reads_them(raw: list[bytes]) -> None:
    try:
        crl = Crl.load(raw_crl(CA, entries=raw))
    except UnusableCrlError:
        return
    assert read(crl) == Counter((each.serial_number, RevocationReason.UNSPECIFIED) for each in crl.parsed)


@given(st.integers(-(2**170), 2**170))
def test_a_serial_key_is_the_content_of_a_der_integer(serial: int) -> None:
    key = serial_key(serial)

    assert int.from_bytes(key, "big", signed=True) == serial
    assert len(key) == 1 or key[:2] not in {b"\x00\x00", b"\xff\xff"}


def test_any_critical_entry_extension_makes_the_crl_unusable() -> None:
    with pytest.raises(UnusableCrlError, match=r"entry 7 has the critical extension 1\.3\.6\.1") as caught:
        read(load(Entry(5), Entry(6, HOLD), Entry(7, extensions=[(UNKNOWN, True)]), Entry(8)))
    assert caught.value.reason is RejectionReason.CRITICAL_ENTRY_EXTENSION


def test_even_a_critical_reason_code_makes_the_crl_unusable() -> None:
    error = refused(entry(b"\x05", PAST, extension(REASON_CODE, b"\x0a\x01\x01", critical=True)))

    assert error.reason is RejectionReason.CRITICAL_ENTRY_EXTENSION


@pytest.mark.parametrize("critical", [True, False])
def test_an_entry_of_another_issuer_makes_the_crl_unusable(critical: bool) -> None:  # noqa: FBT001
    issuer = x509.CertificateIssuer([x509.DirectoryName(CA.certificate.x509.subject)])
    with pytest.raises(UnusableCrlError) as caught:
        read(load(Entry(5, extensions=[(issuer, critical)])))
    assert caught.value.reason is RejectionReason.INDIRECT


def test_remove_from_crl_makes_a_complete_crl_unusable() -> None:
    with pytest.raises(UnusableCrlError) as caught:
        read(load(Entry(5, x509.ReasonFlags.remove_from_crl)))
    assert caught.value.reason is RejectionReason.DELTA


@pytest.mark.parametrize("code", [7, 11, 255])
def test_a_reason_that_does_not_exist_makes_the_crl_unusable(code: int) -> None:
    error = refused(entry(b"\x05", PAST, extension(REASON_CODE, bytes([10, 1, code]))))

    assert error.reason is RejectionReason.MALFORMED


def test_an_unreadable_certificate_issuer_makes_the_crl_unusable() -> None:
    issuer = extension("551d1d", sequence(directory(BIT_STRING_NAME)))

    assert refused(entry(b"\x05", PAST, issuer)).reason is RejectionReason.MALFORMED


def test_two_reasons_make_the_crl_unusable() -> None:
    reason = extension(REASON_CODE, b"\x0a\x01\x01")

    assert refused(entry(b"\x05", PAST, reason, reason)).reason is RejectionReason.MALFORMED


def test_an_entry_that_imitates_a_reason_code_in_its_time_is_refused() -> None:
    imitation = entry(b"\x05", b"\x17\x0d0\x0c0\x0a\x06\x03\x55\x1d\x15\x04\x03\x0a\x01")

    assert refused(imitation).reason is RejectionReason.MALFORMED
