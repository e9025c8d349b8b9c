"""Admits devices whose common name is a serial number of ours; in production, look it up in your database."""

import re
from typing import Any

SERIAL_NUMBER = re.compile(r"(?P<model>[a-z]+)-(?P<year>\d{4})-\d{6}")


def handle(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer whether the device is expected.

    Args:
        event: What its certificate says; docs/admission.md lists the fields.
        _context: Lambda's.
    """
    names = event["commonNames"]
    serial_number = SERIAL_NUMBER.fullmatch(names[0]) if len(names) == 1 else None
    if serial_number is None:
        return {"decision": "refuse", "reason": "the common name is none of our serial numbers"}
    return {"decision": "admit", "thingAttributes": serial_number.groupdict()}
