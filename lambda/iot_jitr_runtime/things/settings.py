"""Settings of things: templates over certificate fields, shared by the stack and the functions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from iot_jitr_runtime.certificate_fields import FieldTemplate

DEFAULT_NAME = "{{common_name}}"
DEFAULT_GRACE_PERIOD = timedelta(hours=24)


class Renewal(StrEnum):
    """What happens when a certificate is to be attached to a thing that has another one already."""

    REFUSE = "refuse"
    """It is refused."""
    ALLOW = "allow"
    """If CA and identity are the same, it is a renewal and replaces the older certificate."""


class Attachment(StrEnum):
    """How a certificate is attached to its thing: `thingPrincipalType` of `AttachThingPrincipal`.

    https://docs.aws.amazon.com/iot/latest/apireference/API_AttachThingPrincipal.html
    """

    EXCLUSIVE = "EXCLUSIVE_THING"
    """The thing is the certificate's only one."""
    NON_EXCLUSIVE = "NON_EXCLUSIVE_THING"
    """The certificate may be attached to other things as well."""


@dataclass(frozen=True)
class ThingSettings:
    """How the thing of a device is made."""

    name: FieldTemplate = field(default_factory=lambda: FieldTemplate.parse(DEFAULT_NAME))
    type: FieldTemplate | None = None
    groups: tuple[FieldTemplate, ...] = ()
    attributes: Mapping[str, FieldTemplate] = field(default_factory=dict)
    attachment: Attachment = Attachment.EXCLUSIVE
    renewal: Renewal = Renewal.REFUSE
    grace_period: timedelta = DEFAULT_GRACE_PERIOD
    """How long the old certificate still works after the new one was activated; whole seconds."""

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON, for the environment of the functions."""
        return {
            "name": self.name.text,
            "type": self.type.text if self.type else None,
            "groups": [group.text for group in self.groups],
            "attributes": {name: template.text for name, template in self.attributes.items()},
            "attachment": self.attachment.value,
            "renewal": self.renewal.value,
            "grace_seconds": int(self.grace_period.total_seconds()),
        }

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> "ThingSettings":
        """Read the settings from parsed JSON, out of which CloudFormation has dropped what was null."""
        return cls(
            name=FieldTemplate.parse(config["name"]),
            type=FieldTemplate.parse(config["type"]) if config.get("type") else None,
            groups=tuple(map(FieldTemplate.parse, config["groups"])),
            attributes={
                name: FieldTemplate.parse(template) for name, template in config["attributes"].items()
            },
            attachment=Attachment(config["attachment"]),
            renewal=Renewal(config["renewal"]),
            grace_period=timedelta(seconds=config["grace_seconds"]),
        )
