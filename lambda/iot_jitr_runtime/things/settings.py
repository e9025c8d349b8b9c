"""How devices become things: templates over certificate fields, shared by the stack and the function."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from iot_jitr_runtime.certificate_fields import FieldTemplate

DEFAULT_NAME = "{{common_name}}"
DEFAULT_GRACE_PERIOD = timedelta(hours=24)


class Renewal(StrEnum):
    """What a certificate means that comes for a thing which has one already."""

    REFUSE = "refuse"
    """A collision: it is refused."""
    ALLOW = "allow"
    """A renewal, if CA and identity are the same: it takes the older one's place."""


class Attachment(StrEnum):
    """How a certificate belongs to its thing: `thingPrincipalType` of `AttachThingPrincipal`.

    https://docs.aws.amazon.com/iot/latest/apireference/API_AttachThingPrincipal.html
    """

    EXCLUSIVE = "EXCLUSIVE_THING"
    """The thing is the certificate's only one."""
    NON_EXCLUSIVE = "NON_EXCLUSIVE_THING"
    """The certificate may be attached to other things as well."""


@dataclass(frozen=True)
class ThingSettings:
    """What a device's thing is made of."""

    name: FieldTemplate = field(default_factory=lambda: FieldTemplate.parse(DEFAULT_NAME))
    type: FieldTemplate | None = None
    groups: tuple[FieldTemplate, ...] = ()
    attributes: Mapping[str, FieldTemplate] = field(default_factory=dict)
    attachment: Attachment = Attachment.EXCLUSIVE
    renewal: Renewal = Renewal.REFUSE
    grace_period: timedelta = DEFAULT_GRACE_PERIOD
    """How long the old certificate still works after the new one was activated; whole seconds."""

    def to_json(self) -> dict[str, Any]:
        """Return what the stack tells the function."""
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
    def from_json(cls, told: Mapping[str, Any]) -> "ThingSettings":
        """Read what the stack told the function, parsed. On its way CloudFormation drops what is null."""
        return cls(
            name=FieldTemplate.parse(told["name"]),
            type=FieldTemplate.parse(told["type"]) if told.get("type") else None,
            groups=tuple(map(FieldTemplate.parse, told["groups"])),
            attributes={name: FieldTemplate.parse(template) for name, template in told["attributes"].items()},
            attachment=Attachment(told["attachment"]),
            renewal=Renewal(told["renewal"]),
            grace_period=timedelta(seconds=told["grace_seconds"]),
        )
