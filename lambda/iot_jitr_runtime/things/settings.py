"""Settings of things, shared by the stack and the functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

DEFAULT_NAME = "{{common_name}}"
DEFAULT_GRACE_PERIOD = timedelta(hours=24)


class Renewal(StrEnum):
    """The action if a thing that needs a new certificate has another one already."""

    REFUSE = "refuse"
    """It is refused."""
    ALLOW = "allow"
    """If CA and identity are the same, it is a renewal and replaces the older certificate."""


class Attachment(StrEnum):
    """How a certificate is attached to its thing: `thingPrincipalType` of `AttachThingPrincipal`.

    https://docs.aws.amazon.com/iot/latest/apireference/API_AttachThingPrincipal.html
    """

    EXCLUSIVE = "EXCLUSIVE_THING"
    """The certificate is attached to this thing only."""
    NON_EXCLUSIVE = "NON_EXCLUSIVE_THING"
    """The certificate may be attached to other things as well."""


@dataclass(frozen=True)
class ThingSettings:
    """The settings of a device's thing: `thing` in the value of `JITR_THINGS`.

    Texts are templates over certificate fields, see `iot_jitr_runtime.certificate_fields`.
    """

    name: str = DEFAULT_NAME
    type: str | None = None
    groups: Sequence[str] = field(default_factory=list)
    attributes: Mapping[str, str] = field(default_factory=dict)
    attachment: str = Attachment.EXCLUSIVE
    """One of `Attachment`."""
    renewal: str = Renewal.REFUSE
    """One of `Renewal`."""
    grace_seconds: int = int(DEFAULT_GRACE_PERIOD.total_seconds())
    """How long the old certificate still works after the new one was activated."""

    @property
    def grace_period(self) -> timedelta:
        """How long the old certificate still works after the new one was activated."""
        return timedelta(seconds=self.grace_seconds)
