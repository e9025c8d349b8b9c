"""The few elements that are read by hand: where they lie, and that only ValueError comes of it."""

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_runtime.revocation.der import element, outline
from tests.support.crls import CrlSpec, Entry, RawCrl, make_crl, tlv

CA = DevelopmentCa.create()
CRL = make_crl(CA, CrlSpec(entries=[Entry(serial) for serial in range(1, 400)]))


@given(st.integers(0, 0x7F), st.integers(0, 70_000), st.binary(max_size=10))
def test_an_element_is_read_as_it_was_written(tag: int, size: int, before: bytes) -> None:
    encoded = tlv(tag, bytes(size))

    read = element(before + encoded + b"after", len(before))

    assert (read.tag, read.start, read.end) == (tag, len(before), len(before) + len(encoded))
    assert read.end - read.content == size


@given(st.binary(max_size=50), st.integers(0, 60))
def test_an_element_never_ends_behind_the_data(data: bytes, start: int) -> None:
    try:
        read = element(data, start)
    except ValueError:
        return
    assert start < read.content <= read.end <= len(data)


@pytest.mark.parametrize("empty", [b"\x05\x00", b"\x30\x81\x00"])
def test_an_empty_element_may_end_the_data(empty: bytes) -> None:
    read = element(empty, 0)

    assert read.content == read.end == len(empty)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\x30", "the data end at offset 0, where an element should begin"),
        (b"\x30\x02\x05", "the element at offset 0 is longer than the data"),
        (b"\x30\x83\x01\x00\x00\x05\x00", "the element at offset 0 is longer than the data"),
    ],
)
def test_what_is_cut_off_is_said_to_be(data: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}$"):
        element(data, 0)


@given(st.binary(max_size=300) | st.integers(0, len(CRL)).map(lambda size: CRL[:size]))
def test_only_value_errors_leave_the_outline(data: bytes) -> None:
    try:
        outline(data)
    except ValueError:
        return


def test_what_is_signed_is_what_cryptography_says_is_signed() -> None:
    signed = outline(CRL).signed

    assert CRL[signed.start : signed.end] == x509.load_der_x509_crl(CRL).tbs_certlist_bytes


@pytest.mark.parametrize("crl", [RawCrl(), RawCrl(next_update=None)])
def test_the_extensions_are_never_taken_for_the_entries(crl: RawCrl) -> None:
    assert outline(crl.sign(CA)).entries is None


def test_the_issuer_is_never_taken_for_the_entries() -> None:
    found = outline(RawCrl(next_update=None, entries=[tlv(0x30, b"\x02\x01\x05")]).sign(CA)).entries

    assert found is not None
    assert found.end - found.content == 5


def test_what_has_no_time_is_no_crl() -> None:
    with pytest.raises(ValueError, match=r"^what is signed has no thisUpdate$"):
        outline(CA.certificate.der)
