"""Fields of a verified certificate by name, and templates with `{{field}}` as placeholders.

Configurations use them for certificates that do not exist yet: in names of things and keys of the allow list.
A certificate must have the field exactly once: if there are several, two programs may use different ones.
"""

from collections.abc import Callable, Collection
from difflib import get_close_matches
from enum import StrEnum

from cryptography.x509.oid import NameOID

from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.policy import PLACEHOLDER

_SHOWN = 80


class UnknownFieldError(JitrError):
    """A template names a field that certificates do not have."""


class MissingFieldError(JitrError):
    """A certificate does not have a field, or has it more than once."""


class Field(StrEnum):
    """A field of a device certificate. The values are the names used in configurations."""

    COMMON_NAME = "common_name"
    """The subject's common name (CN)."""
    SUBJECT_SERIAL_NUMBER = "subject_serial_number"
    """The subject's serialNumber attribute (RFC 4519 section 2.31): the device's, not the certificate's."""
    ORGANIZATION = "organization"
    """The subject's organization (O)."""
    ORGANIZATIONAL_UNIT = "organizational_unit"
    """The subject's organizational unit (OU)."""
    COUNTRY = "country"
    """The subject's country (C)."""
    LOCALITY = "locality"
    """The subject's locality (L)."""
    SERIAL_NUMBER = "serial_number"
    """The certificate's serial number, lower-case hexadecimal without leading zeros."""
    CERTIFICATE_ID = "certificate_id"
    """The certificate's SHA-256 fingerprint, its id at AWS IoT."""
    CA_CERTIFICATE_ID = "ca_certificate_id"
    """The id of the CA certificate at AWS IoT."""


IDENTIFYING = {Field.COMMON_NAME, Field.SUBJECT_SERIAL_NUMBER, Field.SERIAL_NUMBER, Field.CERTIFICATE_ID}
"""The fields whose values identify one device."""

_ATTRIBUTE_OF = {
    Field.COMMON_NAME: NameOID.COMMON_NAME,
    Field.SUBJECT_SERIAL_NUMBER: NameOID.SERIAL_NUMBER,
    Field.ORGANIZATION: NameOID.ORGANIZATION_NAME,
    Field.ORGANIZATIONAL_UNIT: NameOID.ORGANIZATIONAL_UNIT_NAME,
    Field.COUNTRY: NameOID.COUNTRY_NAME,
    Field.LOCALITY: NameOID.LOCALITY_NAME,
}


def value_of(field: Field, certificate: Certificate, ca_certificate_id: CaCertificateId) -> str:
    """Return one field of a device's certificate.

    Raises:
        MissingFieldError: The subject does not have it exactly once.
    """
    match field:
        case Field.SERIAL_NUMBER:
            return certificate.serial_number
        case Field.CERTIFICATE_ID:
            return certificate.fingerprint
        case Field.CA_CERTIFICATE_ID:
            return ca_certificate_id
    found = certificate.x509.subject.get_attributes_for_oid(_ATTRIBUTE_OF[field])
    if len(found) != 1:
        raise MissingFieldError(
            f"the certificate's subject has {len(found)} of '{field}', expected exactly one"
        )
    return str(found[0].value)


def fields_of(template: str) -> set[Field]:
    """Return the fields whose placeholders `{{field}}` are in a text.

    Raises:
        UnknownFieldError: It names a field that is not one of `Field`.
    """
    names = PLACEHOLDER.findall(template)
    for name in names:
        if name not in set(Field):
            raise UnknownFieldError(_unknown(name, list(Field)))
    return set(map(Field, names))


def fill(template: str, value: Callable[[Field], str]) -> str:
    """Return a text with its fields filled, in one pass: `{{…}}` in a value is not filled again.

    Args:
        template: A text that `fields_of` accepts.
        value: Returns the value of a field; its exceptions propagate.
    """
    return PLACEHOLDER.sub(lambda match: value(Field(match[1])), template)


def _unknown(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean '{{{{{near[0]}}}}}'? " if near else ""
    return f"unknown field '{{{{{name[:_SHOWN]}}}}}'; {hint}known are {', '.join(known)}"
