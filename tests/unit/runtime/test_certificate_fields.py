from contextlib import suppress

import pytest
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_runtime.certificate_fields import (
    IDENTIFYING,
    Field,
    MissingFieldError,
    UnknownFieldError,
    fields_of,
    fill,
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


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{{organization}}-{{common_name}}:x", "Acme-sensor-7:x"),
        ("{{locality}}", "{{serial_number}}"),  # placeholders in a value are not replaced
        ("fleet", "fleet"),
    ],
)
def test_a_template_is_filled_in_one_pass(template: str, filled: str) -> None:
    certificate = certificate_of([*SUBJECT[:-1], (NameOID.LOCALITY_NAME, "{{serial_number}}")])

    assert fill(template, lambda field: value_of(field, certificate, CA)) == filled


@pytest.mark.parametrize(
    ("name", "message"),
    [("commonname", r"did you mean '\{\{common_name\}\}'\? known are"), ("", r"field .\{\{\}\}.; known are")],
)
def test_an_unknown_field_is_refused_with_a_suggestion(name: str, message: str) -> None:
    with pytest.raises(UnknownFieldError, match=f"unknown .*{message}"):
        fields_of(f"{{{{{name}}}}}")


@pytest.mark.parametrize(
    ("template", "identifying"),
    [("{{common_name}}", True), ("x-{{serial_number}}", True), ("{{organization}}", False), ("x", False)],
)
def test_a_template_with_an_identifying_field_is_unique_for_each_device(
    template: str, *, identifying: bool
) -> None:
    assert bool(fields_of(template) & IDENTIFYING) is identifying


@given(st.text(max_size=40))
def test_any_text_is_a_template_or_names_what_is_unknown(text: str) -> None:
    with suppress(UnknownFieldError):
        fields_of(text)
        fill(text, lambda field: field.value)
