"""Keys of the allow list, used by the function that reads it and the command that writes it."""

import re
import unicodedata
from enum import StrEnum
from typing import NewType

from iot_jitr_runtime.certificate_fields import Field, MissingFieldError, value_of
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import ID_FORMAT, CaCertificateId, SerialNumber

TABLE_KEY = "deviceKey"
"""Partition key of the allow list's table."""
ATTRIBUTES = "thingAttributes"
"""Attribute with the attributes of the device's thing, a map of strings."""

_SERIAL = re.compile(r"[0-9a-fA-F]{1,40}")
_LONGEST_VALUE = 256
_WILDCARDS = "*?"
_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories: control and format characters, surrogates, and line and paragraph separators."""


DeviceKey = NewType("DeviceKey", str)
"""The key of one device in the allow list's table."""


class InvalidKeyError(JitrError):
    """A value cannot be a key of the allow list."""


class KeyKind(StrEnum):
    """Which field identifies a listed device.

    https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2
    """

    CA_SERIAL = "ca_serial"
    """The CA and the certificate's serial number: one certificate. A renewed one must be listed again."""
    COMMON_NAME = "common_name"
    """The subject's common name: one device, under any certificate of this deployment's CAs."""
    SUBJECT_SERIAL_NUMBER = "subject_serial_number"
    """The subject's serialNumber attribute: one device, under any certificate of this deployment's CAs."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a file of such devices has."""
        if self is KeyKind.CA_SERIAL:
            return (Field.CA_CERTIFICATE_ID.value, Field.SERIAL_NUMBER.value)
        return (self.value,)


def ca_serial_key(ca_certificate_id: str, serial_number: str) -> DeviceKey:
    """Return the key of a certificate: `<CA certificate id>#<serial number>`.

    Args:
        ca_certificate_id: 64 hexadecimal digits.
        serial_number: Hexadecimal, as OpenSSL and `jitr` print it: colons, a leading `0x`, upper case and
            leading zeros make no difference.

    Raises:
        InvalidKeyError: One of them has another format.
    """
    ca = ca_certificate_id.strip().lower()
    if not ID_FORMAT.fullmatch(ca):
        raise InvalidKeyError(
            f"'{ca[:80]}' is not a CA certificate id, expected 64 hexadecimal digits as 'jitr ca list' shows"
        )
    digits = serial_number.strip().lower().removeprefix("0x").replace(":", "")
    if not _SERIAL.fullmatch(digits):
        raise InvalidKeyError(
            f"'{serial_number[:80]}' is not a serial number, expected up to 40 hexadecimal digits"
        )
    return DeviceKey(f"{ca}#{SerialNumber(digits.lstrip('0') or '0')}")


def field_key(value: str) -> DeviceKey:
    """Return the key of a device that is listed by one field of its subject: the value, unchanged.

    Raises:
        InvalidKeyError: The value is empty or too long; it begins or ends with white space or has control
            characters, which are invisible in a file; or it has `*` or `?`, because the list has no
            wildcards.
    """
    if not 1 <= len(value) <= _LONGEST_VALUE:
        raise InvalidKeyError(f"found {len(value)} characters, expected 1 to {_LONGEST_VALUE}")
    if value != value.strip():
        raise InvalidKeyError(f"{value!r} begins or ends with white space: remove it")
    for character in value:
        if unicodedata.category(character) in _INVISIBLE or character in _WILDCARDS:
            raise InvalidKeyError(
                f"{value!r} contains {character!r}: expected one device's value, without control "
                "characters and wildcards"
            )
    return DeviceKey(value)


def key_of(kind: KeyKind, certificate: Certificate, ca_certificate_id: CaCertificateId) -> DeviceKey:
    """Return the key under which a device must be listed.

    Raises:
        MissingFieldError: The certificate does not have the field exactly once, or it cannot be a key.
    """
    try:
        if kind is KeyKind.CA_SERIAL:
            return ca_serial_key(ca_certificate_id, certificate.serial_number)
        return field_key(value_of(Field(kind.value), certificate, ca_certificate_id))
    except InvalidKeyError as error:
        raise MissingFieldError(f"the certificate's '{kind}' cannot be a key: {error}") from error
