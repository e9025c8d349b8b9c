"""One device's thing: its name, type, groups and attributes, filled from the certificate and checked.

The patterns are those of the AWS IoT API reference (CreateThing, AddThingToThingGroup). A value that does not
match is refused, never trimmed: a shortened name could be the name of another device.
"""

import re
from collections.abc import Mapping
from typing import Any

from iot_jitr_runtime.certificate_fields import MissingFieldError, fill, value_of
from iot_jitr_runtime.device_certificate import DeviceCertificate
from iot_jitr_runtime.outcomes import Reason, RefusedError
from iot_jitr_runtime.things.patterns import (
    ATTRIBUTE_NAME,
    ATTRIBUTE_VALUE,
    ATTRIBUTE_VALUE_IN_WORDS,
    REGISTRY_NAME,
    REGISTRY_NAME_IN_WORDS,
)
from iot_jitr_runtime.things.settings import ThingSettings

_NAME = (REGISTRY_NAME, REGISTRY_NAME_IN_WORDS)
_VALUE = (ATTRIBUTE_VALUE, ATTRIBUTE_VALUE_IN_WORDS)
_SHOWN = 140


def create_request(
    settings: ThingSettings, device: DeviceCertificate, admitted_with: Mapping[str, str]
) -> dict[str, Any]:
    """Return the parameters of CreateThing for a device's thing.

    Args:
        settings: The templates.
        device: The device.
        admitted_with: Attributes from its admission; they override those of the settings.

    Raises:
        RefusedError: `INVALID_THING_NAME` or `INVALID_THING_ATTRIBUTE`.
    """
    request: dict[str, Any] = {"thingName": thing_name(settings.name, device)}
    if settings.type:
        request["thingTypeName"] = type_or_group("thing type", settings.type, device)
    attributes = {
        name: _filled(f"attribute '{name}'", template, device, _VALUE, Reason.INVALID_THING_ATTRIBUTE)
        for name, template in settings.attributes.items()
    }
    for name, value in admitted_with.items():
        if not ATTRIBUTE_NAME.fullmatch(name) or not ATTRIBUTE_VALUE.fullmatch(value):
            raise RefusedError(
                Reason.INVALID_THING_ATTRIBUTE,
                f"attribute {name[:_SHOWN]!r} of the admission is not one that AWS IoT takes",
            )
    if attributes or admitted_with:
        request["attributePayload"] = {"attributes": {**attributes, **admitted_with}}
    return request


def thing_name(template: str, device: DeviceCertificate) -> str:
    """Return the name of a device's thing.

    Raises:
        RefusedError: `INVALID_THING_NAME`.
    """
    return _filled("thing name", template, device, _NAME, Reason.INVALID_THING_NAME)


def type_or_group(what: str, template: str, device: DeviceCertificate) -> str:
    """Return the name of a thing type or a thing group.

    Raises:
        RefusedError: `INVALID_THING_ATTRIBUTE`.
    """
    return _filled(what, template, device, _NAME, Reason.INVALID_THING_ATTRIBUTE)


def _filled(
    what: str, template: str, device: DeviceCertificate, allowed: tuple[re.Pattern[str], str], invalid: Reason
) -> str:
    """Fill a template and check the value; refuse it as `invalid` if a field is missing or AWS rejects it."""
    pattern, in_words = allowed
    try:
        value = fill(template, lambda field: value_of(field, device.certificate, device.ca_certificate_id))
    except MissingFieldError as error:
        raise RefusedError(invalid, f"{what} '{template}': {error}") from error
    if not pattern.fullmatch(value):
        raise RefusedError(invalid, f"{what} {value[:_SHOWN]!r} is not {in_words}")
    return value
