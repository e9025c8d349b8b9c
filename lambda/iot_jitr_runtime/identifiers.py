"""Separate types for strings that must not be confused with each other."""

import re
from typing import NewType

CertificateId = NewType("CertificateId", str)
"""AWS IoT's id of a device certificate: SHA-256 of its DER, 64 lower-case hexadecimal digits."""

CaCertificateId = NewType("CaCertificateId", str)
"""AWS IoT's id of a registered CA certificate: 64 lower-case hexadecimal digits. Not always a SHA-256."""

ID_FORMAT = re.compile(r"[0-9a-f]{64}")
"""The format of both ids."""

SerialNumber = NewType("SerialNumber", str)
"""A certificate's serial number (RFC 5280 section 4.1.2.2), lower-case hexadecimal without leading zeros."""


def serial_number(value: int) -> SerialNumber:
    """Return a serial number in the format of the ledger and the revocation index.

    >>> serial_number(0x0A1B)
    'a1b'
    """
    return SerialNumber(f"{value:x}")
