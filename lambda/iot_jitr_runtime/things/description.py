"""One device's thing: its name, type, groups and attributes, filled from the certificate and checked.

The patterns are those of the AWS IoT API reference (CreateThing, AddThingToThingGroup). A value that does not
match is refused, never trimmed: a shortened name could be another device's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iot_jitr_runtime.certificate_fields import FieldTemplate, MissingFieldError
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

_SHOWN = 140


@dataclass(frozen=True)
class ThingDescription:
    """Parameters of CreateThing and AddThingToThingGroup."""

    name: str
    type: str | None
    groups: tuple[str, ...]
    attributes: Mapping[str, str]

    def create_request(self) -> dict[str, Any]:
        """Return the parameters of CreateThing."""
        request: dict[str, Any] = {"thingName": self.name}
        if self.type is not None:
            request["thingTypeName"] = self.type
        if self.attributes:
            request["attributePayload"] = {"attributes": dict(self.attributes)}
        return request


def describe(
    settings: ThingSettings, device: DeviceCertificate, extra: Mapping[str, str]
) -> ThingDescription:
    """Fill the templates from a device's certificate.

    Args:
        settings: The templates.
        device: The device.
        extra: Attributes from its admission; they override those of the settings.

    Raises:
        RefusedError: `INVALID_THING_NAME` or `INVALID_THING_ATTRIBUTE`.
    """
    attributes = {
        name: _attribute(f"attribute '{name}'", template, device)
        for name, template in settings.attributes.items()
    }
    return ThingDescription(
        name=thing_name(settings.name, device),
        type=_registry_name("thing type", settings.type, device) if settings.type else None,
        groups=tuple(_registry_name("thing group", each, device) for each in settings.groups),
        attributes={**attributes, **_checked(extra)},
    )


def thing_name(template: FieldTemplate, device: DeviceCertificate) -> str:
    """Return the name of a device's thing.

    Raises:
        RefusedError: `INVALID_THING_NAME`.
    """
    try:
        name = template.fill_from(device.certificate, device.ca_certificate_id)
    except MissingFieldError as error:
        raise RefusedError(Reason.INVALID_THING_NAME, f"thing name '{template.text}': {error}") from error
    if not REGISTRY_NAME.fullmatch(name):
        raise RefusedError(
            Reason.INVALID_THING_NAME, f"thing name {name[:_SHOWN]!r} is not {REGISTRY_NAME_IN_WORDS}"
        )
    return name


def _registry_name(what: str, template: FieldTemplate, device: DeviceCertificate) -> str:
    name = _filled(what, template, device)
    if not REGISTRY_NAME.fullmatch(name):
        raise _invalid(f"{what} {name[:_SHOWN]!r} is not {REGISTRY_NAME_IN_WORDS}")
    return name


def _attribute(what: str, template: FieldTemplate, device: DeviceCertificate) -> str:
    value = _filled(what, template, device)
    if not ATTRIBUTE_VALUE.fullmatch(value):
        raise _invalid(f"{what} {value[:_SHOWN]!r} is not {ATTRIBUTE_VALUE_IN_WORDS}")
    return value


def _filled(what: str, template: FieldTemplate, device: DeviceCertificate) -> str:
    try:
        return template.fill_from(device.certificate, device.ca_certificate_id)
    except MissingFieldError as error:
        raise _invalid(f"{what} '{template.text}': {error}") from error


def _checked(attributes: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in attributes.items():
        if not ATTRIBUTE_NAME.fullmatch(name) or not ATTRIBUTE_VALUE.fullmatch(value):
            raise _invalid(f"attribute {name[:_SHOWN]!r} of the admission is not one that AWS IoT takes")
    return attributes


def _invalid(detail: str) -> RefusedError:
    return RefusedError(Reason.INVALID_THING_ATTRIBUTE, detail)
