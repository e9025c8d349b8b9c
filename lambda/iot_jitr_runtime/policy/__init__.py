"""The policies of activated devices: rendered, attached, and deleted after a revocation."""

import re
from enum import StrEnum


class PolicyKind(StrEnum):
    """One policy for all devices, or one for each.

    https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html
    """

    SHARED = "shared"
    """One policy for all devices, with policy variables for the values that differ."""
    PER_DEVICE = "per_device"
    """One for each device, rendered from a template when the device is activated."""


class Placeholder(StrEnum):
    """A value of the certificate or its thing in a per-device template, written `{{name}}`."""

    COMMON_NAME = "common_name"
    SERIAL_NUMBER = "serial_number"
    THING_NAME = "thing_name"


PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}")
