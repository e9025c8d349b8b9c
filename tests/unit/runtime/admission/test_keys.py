import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_runtime.admission.keys import (
    InvalidKeyError,
    KeyKind,
    ca_serial_key,
    field_key,
    key_of,
)
from iot_jitr_runtime.certificate_fields import MissingFieldError
from iot_jitr_runtime.identifiers import CaCertificateId
from tests.support.device_certificates import device_certificate, with_serial_number

CA = CaCertificateId("c0ffee" + "0" * 58)


@pytest.mark.parametrize("written", ["a1b", "0A1B", "0x0a1b", "0A:1B", " 00:0a:1b ", "A1B"])
def test_every_notation_of_a_serial_number_has_the_same_key(written: str) -> None:
    assert ca_serial_key(CA.upper(), written) == f"{CA}#a1b"


@given(st.integers(min_value=1, max_value=2**159 - 1))
def test_list_and_certificate_have_the_same_key_for_every_serial_number(number: int) -> None:
    certificate = device_certificate("x", serial_number=number)
    text = f"{number:X}"
    colons = ":".join(f"{byte:02X}" for byte in number.to_bytes((number.bit_length() + 7) // 8))

    expected = key_of(KeyKind.CA_SERIAL, certificate, CA)

    assert ca_serial_key(CA, text) == expected
    assert ca_serial_key(CA, colons) == expected


@pytest.mark.parametrize("serial", ["", "xyz", "-1", "12 34", "f" * 41, "0x"])
def test_an_invalid_serial_number_is_refused(serial: str) -> None:
    with pytest.raises(InvalidKeyError, match="is not a serial number"):
        ca_serial_key(CA, serial)


@pytest.mark.parametrize("ca", ["", "abc", "g" * 64, "c" * 65])
def test_an_invalid_ca_certificate_id_is_refused(ca: str) -> None:
    with pytest.raises(InvalidKeyError, match="is not a CA certificate id"):
        ca_serial_key(ca, "1")


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@pytest.mark.parametrize("content", [b"\x80", b"\x01" * 21], ids=["negative", "longer than 20 octets"])
def test_a_certificate_whose_serial_number_cannot_be_listed_has_no_key(content: bytes) -> None:
    certificate = with_serial_number(device_certificate("sensor-7"), content)

    with pytest.raises(MissingFieldError, match=r"'ca_serial' cannot be a key: .* is not a serial number"):
        key_of(KeyKind.CA_SERIAL, certificate, CA)


def test_the_key_of_a_field_is_its_unchanged_value() -> None:
    assert field_key("Sensor 7/ö") == "Sensor 7/ö"
    assert key_of(KeyKind.COMMON_NAME, device_certificate("sensor-7"), CA) == "sensor-7"


@pytest.mark.parametrize("value", ["", "x" * 257])
def test_an_empty_or_too_long_field_is_refused_as_a_key(value: str) -> None:
    with pytest.raises(InvalidKeyError, match="expected 1 to 256"):
        field_key(value)


@pytest.mark.filterwarnings("ignore:Attribute's length must be")
@pytest.mark.parametrize("names", [(), ("a", "b"), ("",)])
def test_a_certificate_without_the_field_has_no_key(names: tuple[str, ...]) -> None:
    with pytest.raises(MissingFieldError):
        key_of(KeyKind.COMMON_NAME, device_certificate(*names, organization="Acme"), CA)


def test_each_kind_names_its_columns() -> None:
    assert KeyKind.CA_SERIAL.columns == ("ca_certificate_id", "serial_number")
    assert KeyKind.COMMON_NAME.columns == ("common_name",)


@pytest.mark.parametrize(
    "value", [" g1", "g1\u00a0", "a*", "a?", "a\x00b", "a\nb", "a\u200bb", "a\u2028b", "\ud800"]
)
def test_an_ambiguous_value_is_refused_as_a_key(value: str) -> None:
    with pytest.raises(InvalidKeyError):
        field_key(value)
