"""Things: the registry's entries for devices, made from the fields of their certificates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from iot_jitr.target import Target
from iot_jitr_runtime.certificate_fields import FieldTemplate, UnknownFieldError
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.things.patterns import (
    ATTRIBUTE_NAME,
    ATTRIBUTE_NAME_IN_WORDS,
    ATTRIBUTE_VALUE,
    ATTRIBUTE_VALUE_IN_WORDS,
    REGISTRY_NAME,
    REGISTRY_NAME_IN_WORDS,
)
from iot_jitr_runtime.things.settings import (
    DEFAULT_GRACE_PERIOD,
    DEFAULT_NAME,
    Attachment,
    Renewal,
    ThingSettings,
)

if TYPE_CHECKING:
    import re

    from constructs import Construct

LONGEST_GRACE_PERIOD = timedelta(days=365)
_ATTRIBUTES_WITH_TYPE = 50
_ATTRIBUTES_WITHOUT_TYPE = 3
"""How many attributes a thing may have (AWS IoT Core quotas)."""


class ThingRegistrationError(JitrError):
    """The description of the things contradicts itself, or AWS IoT would not take it."""


@dataclass(frozen=True)
class ThingRegistration:
    """Every activated device becomes a thing. Each text is a template over the fields of its certificate.

    The fields are `{{common_name}}`, `{{subject_serial_number}}`, `{{organization}}`,
    `{{organizational_unit}}`, `{{country}}`, `{{locality}}`, `{{serial_number}}`, `{{certificate_id}}` and
    `{{ca_certificate_id}}`. A device whose certificate lacks one of those in use is refused.

    Costs three AWS IoT calls more for each activation, and one for each group.

    Raises:
        ThingRegistrationError: One of the values is not possible.
    """

    name: str = DEFAULT_NAME
    """The thing's name. It must tell devices apart: with `{{common_name}}`, `{{subject_serial_number}}`,
    `{{serial_number}}` or `{{certificate_id}}`.
    https://docs.aws.amazon.com/iot/latest/apireference/API_CreateThing.html"""
    type: str | None = None
    """Name of its thing type, which must exist; none by default.
    https://docs.aws.amazon.com/iot/latest/developerguide/thing-types.html"""
    groups: Sequence[str] = ()
    """Names of the static thing groups it joins, which must exist; none by default.
    https://docs.aws.amazon.com/iot/latest/developerguide/thing-groups.html"""
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Its attributes; none by default. At most 3 without a type, 50 with one.
    https://docs.aws.amazon.com/iot/latest/apireference/API_AttributePayload.html"""
    attachment: Attachment = Attachment.EXCLUSIVE
    """Whether the certificate may belong to other things as well; not by default, and not together with
    renewals."""
    renewal: Renewal = Renewal.REFUSE
    """What a certificate means whose thing has one already; a collision by default."""
    grace_period: timedelta = DEFAULT_GRACE_PERIOD
    """After a renewal: how long the old certificate still works, 0 to 365 days; a day by default. Only
    together with renewals."""

    def __post_init__(self) -> None:
        settings = self.settings
        if not settings.name.is_identifying:
            raise ThingRegistrationError(
                f"things: the name '{self.name}' is the same for many devices, expected a template with "
                "{{common_name}}, {{subject_serial_number}}, {{serial_number}} or {{certificate_id}}"
            )
        for what, text in [("name", self.name), ("type", self.type), *(("group", g) for g in self.groups)]:
            _check(f"{what} '{text}'", text, REGISTRY_NAME, REGISTRY_NAME_IN_WORDS)
        for name, value in self.attributes.items():
            _check(f"attribute name '{name}'", name, ATTRIBUTE_NAME, ATTRIBUTE_NAME_IN_WORDS)
            _check(f"attribute '{value}'", value, ATTRIBUTE_VALUE, ATTRIBUTE_VALUE_IN_WORDS)
        most = _ATTRIBUTES_WITH_TYPE if self.type else _ATTRIBUTES_WITHOUT_TYPE
        if len(self.attributes) > most:
            raise ThingRegistrationError(
                f"things: found {len(self.attributes)} attributes, expected at most {most} for a thing "
                f"{'with' if self.type else 'without'} a type"
            )
        self._check_renewal()

    def _check_renewal(self) -> None:
        if not timedelta(0) <= self.grace_period <= LONGEST_GRACE_PERIOD:
            raise ThingRegistrationError(
                f"things: found a grace period of {self.grace_period}, expected 0 to "
                f"{LONGEST_GRACE_PERIOD.days} days"
            )
        if self.renewal is Renewal.ALLOW and self.attachment is Attachment.NON_EXCLUSIVE:
            raise ThingRegistrationError(
                "things: found renewal 'allow' with attachment 'non_exclusive': a renewal puts the older "
                "certificate out, for its other things too; expected attachment 'exclusive', or renewal "
                "'refuse'"
            )
        if self.renewal is Renewal.REFUSE and self.grace_period != DEFAULT_GRACE_PERIOD:
            raise ThingRegistrationError(
                f"things: found a grace period of {self.grace_period} with renewal 'refuse', so that no "
                "certificate ever ends in one; expected renewal 'allow', or no grace period"
            )

    @property
    def settings(self) -> ThingSettings:
        """What the functions are told."""
        return ThingSettings(
            name=_parsed(self.name),
            type=None if self.type is None else _parsed(self.type),
            groups=tuple(map(_parsed, self.groups)),
            attributes={name: _parsed(text) for name, text in self.attributes.items()},
            attachment=self.attachment,
            renewal=self.renewal,
            grace_period=self.grace_period,
        )

    def setting(self, scope: "Construct", *, claim_seconds: int) -> str:
        """Return what the activator is told, the value of `JITR_THINGS`.

        Args:
            scope: A construct of the stack it is for.
            claim_seconds: How long a claim on a thing lasts; longer than the activator's time-out.
        """
        told = {"thing": self.settings.to_json(), "claim_seconds": claim_seconds}
        return cdk.Stack.of(scope).to_json_string(told)

    def activator_permissions(self, scope: "Construct") -> list[iam.PolicyStatement]:
        """Return what the activator may do: make things, see who has them, attach its certificates."""
        things = [_arn(scope, "thing", self.name)]
        statements = [
            iam.PolicyStatement(actions=["iot:CreateThing", "iot:ListThingPrincipals"], resources=things),
            *Target.of(scope).statement(["iot:AttachThingPrincipal"], [_arn(scope, "cert", "{{}}")]),
        ]
        if self.groups:
            groups = [_arn(scope, "thinggroup", group) for group in self.groups]
            statements.append(
                iam.PolicyStatement(actions=["iot:AddThingToThingGroup"], resources=[*things, *groups])
            )
        return statements

    def retirement_permissions(self, scope: "Construct") -> list[iam.PolicyStatement]:
        """Return what may be done by whoever ends grace periods, besides its access to the ledger."""
        if self.renewal is Renewal.REFUSE:
            return []
        certificates = [_arn(scope, "cert", "{{}}")]
        return [
            iam.PolicyStatement(
                actions=["iot:DescribeCertificate", "iot:UpdateCertificate"], resources=certificates
            ),
            *Target.of(scope).statement(["iot:DetachThingPrincipal"], certificates),
        ]


def _parsed(text: str) -> FieldTemplate:
    try:
        return FieldTemplate.parse(text)
    except UnknownFieldError as error:
        raise ThingRegistrationError(f"things: '{text}': {error}") from error


def _check(what: str, text: str | None, pattern: "re.Pattern[str]", allowed: str) -> None:
    """What the template spells out itself must be possible, whatever the fields bring."""
    if text is None:
        return
    if not pattern.fullmatch(_parsed(text).fill(lambda _: "x")):
        raise ThingRegistrationError(f"things: the {what} is not possible, expected {allowed}")


def _arn(scope: "Construct", kind: str, name: str) -> str:
    """The ARN of what a template names, up to the first field and open from there."""
    literal, field, _ = name.partition("{{")
    return cdk.Stack.of(scope).format_arn(
        service="iot", resource=kind, resource_name=f"{literal}*" if field else name
    )
