import pytest
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_runtime.certificate_fields import (
    Field,
    FieldTemplate,
    MissingFieldError,
    UnknownFieldError,
    value_of,
)
from iot_jitr_runtime.identifiers import CaCertificateId
from tests.support.device_certificates import certificate_of, device_certificate

CA = CaCertificateId("c" * 64)
SUBJECT = [
    (NameOID.COMMON_NAME, "sensor-7"),
    (NameOID.SERIAL_NUMBER, "SN-0042"),
    (NameOID.ORGANIZATION_NAME, "Acme"),
    (NameOID.ORGANIZATIONAL_UNIT_NAME, "Pumps"),
    (NameOID.COUNTRY_NAME, "DE"),
    (NameOID.LOCALITY_NAME, "Ulm"),
]


def test_every_field_has_its_value() -> None:
    certificate = certificate_of(SUBJECT, serial_number=0xA1B)

    values = {field.value: value_of(field, certificate, CA) for field in Field}

    assert values == {
        "common_name": "sensor-7",
        "subject_serial_number": "SN-0042",
        "organization": "Acme",
        "organizational_unit": "Pumps",
        "country": "DE",
        "locality": "Ulm",
        "serial_number": "a1b",
        "certificate_id": certificate.fingerprint,
        "ca_certificate_id": CA,
    }


@pytest.mark.parametrize("names", [(), ("a", "b")])
def test_a_field_that_is_missing_or_ambiguous_has_no_value(names: tuple[str, ...]) -> None:
    with pytest.raises(MissingFieldError, match=f"has {len(names)} of 'common_name'"):
        value_of(Field.COMMON_NAME, device_certificate(*names, organization="Acme"), CA)


def test_a_template_is_filled_from_the_certificate() -> None:
    template = FieldTemplate.parse("{{organization}}-{{common_name}}:x")

    assert template.fill_from(certificate_of(SUBJECT), CA) == "Acme-sensor-7:x"


def test_what_a_value_brings_is_never_filled_again() -> None:
    template = FieldTemplate.parse("{{common_name}}")

    filled = template.fill_from(device_certificate("{{serial_number}}"), CA)

    assert filled == "{{serial_number}}"


def test_a_template_without_fields_stands_for_itself() -> None:
    assert FieldTemplate.parse("fleet").fill_from(device_certificate("x"), CA) == "fleet"


def test_an_unknown_field_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UnknownFieldError, match=r"did you mean '\{\{common_name\}\}'\? known are"):
        FieldTemplate.parse("{{commonname}}")
    with pytest.raises(UnknownFieldError, match=r"unknown field .\{\{\}\}.; known are"):
        FieldTemplate.parse("{{}}")


@pytest.mark.parametrize(
    ("text", "identifying"),
    [("{{common_name}}", True), ("x-{{serial_number}}", True), ("{{organization}}", False), ("x", False)],
)
def test_a_template_knows_whether_it_tells_devices_apart(text: str, *, identifying: bool) -> None:
    assert FieldTemplate.parse(text).is_identifying is identifying


@given(st.text(max_size=40))
def test_any_text_is_a_template_or_names_what_is_unknown(text: str) -> None:
    try:
        template = FieldTemplate.parse(text)
    except UnknownFieldError:
        return
    assert template.fill(lambda field: field.value) is not None
