"""The policies of activated devices: rendered, attached, and deleted after a revocation."""

import re
from enum import StrEnum


class PolicyKind(StrEnum):
    """One policy for all devices, with policy variables, or one rendered for each device."""

    SHARED = "shared"
    PER_DEVICE = "per_device"


class Placeholder(StrEnum):
    """A value of the certificate or its thing in a per-device template, written `{{name}}`."""

    COMMON_NAME = "common_name"
    SERIAL_NUMBER = "serial_number"
    THING_NAME = "thing_name"


PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}")
