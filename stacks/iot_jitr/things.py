"""Things: the entries of devices in the registry, made from the fields of their certificates."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, field
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from iot_jitr.allowed import list_of, one_of, refusal, shown, span, text, texts, whole_seconds
from iot_jitr.permissions import on_certificates
from iot_jitr.validation import options
from iot_jitr_runtime.certificate_fields import IDENTIFYING, Field, UnknownFieldError, fields_of, fill
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

_TEMPLATE = text(r".+", "a text, in which {{common_name}} and other fields of the certificate are possible")
_NAME_OF_OURS = text(
    r".+", "a name, or a text in which {{common_name}} and other fields of the certificate are possible"
)
_ATTRIBUTES_WITH_TYPE = 50
_ATTRIBUTES_WITHOUT_TYPE = 3
"""How many attributes a thing may have (AWS IoT Core quotas)."""


@options
class ThingRegistration:
    """A thing for every activated device. Each text is a template over the fields of its certificate.

    The fields are `{{common_name}}`, `{{subject_serial_number}}`, `{{organization}}`,
    `{{organizational_unit}}`, `{{country}}`, `{{locality}}`, `{{serial_number}}`, `{{certificate_id}}` and
    `{{ca_certificate_id}}`. A device whose certificate lacks one of those in use is refused.

    Each activation needs three more AWS IoT calls, and one more for each group.

    Raises:
        ConfigurationError: A value is not possible, or two of them contradict one another.
    """

    name: Annotated[str, _TEMPLATE] = DEFAULT_NAME
    """The thing's name. It must be different for each device, so it contains `{{common_name}}`,
    `{{subject_serial_number}}`, `{{serial_number}}` or `{{certificate_id}}`.
    https://docs.aws.amazon.com/iot/latest/apireference/API_CreateThing.html"""
    type: Annotated[str | None, _NAME_OF_OURS] = None
    """Name of its thing type, which must exist or be created by the same app; none by default.
    https://docs.aws.amazon.com/iot/latest/developerguide/thing-types.html"""
    groups: Annotated[Sequence[str], list_of(_NAME_OF_OURS, "a list of names of thing groups")] = ()
    """Names of its static thing groups, which must exist or be created by the same app; none by default.
    https://docs.aws.amazon.com/iot/latest/developerguide/thing-groups.html"""
    attributes: Annotated[Mapping[str, str], texts("an object of texts")] = field(
        default_factory=dict, hash=False
    )
    """Its attributes; none by default. At most 3 without a type, 50 with one.
    https://docs.aws.amazon.com/iot/latest/apireference/API_AttributePayload.html"""
    attachment: Annotated[Attachment | str, one_of(Attachment)] = Attachment.EXCLUSIVE
    """Whether the certificate may belong to other things as well; not by default, and not together with
    renewals."""
    renewal: Annotated[Renewal | str, one_of(Renewal)] = Renewal.REFUSE
    """How a second certificate for a thing is treated: as a collision (the default) or as a renewal."""
    grace_period: Annotated[timedelta | cdk.Duration, span(timedelta(0), timedelta(days=365))] = (
        DEFAULT_GRACE_PERIOD
    )
    """After a renewal: how long the old certificate still works, 0 to 365 days; a day by default. Only
    together with renewals."""

    def __post_init__(self) -> None:
        if not _fields_of("name", self.name) & IDENTIFYING:
            raise refusal(
                "name",
                f"'{self.name}', which is the same for many devices",
                "a template with {{common_name}}, {{subject_serial_number}}, {{serial_number}} or "
                "{{certificate_id}}",
            )
        for option, template in [
            ("name", self.name),
            ("type", self.type),
            *(("groups", g) for g in self.groups),
        ]:
            _check(option, template, REGISTRY_NAME, REGISTRY_NAME_IN_WORDS)
        for name, value in self.attributes.items():
            _check("attributes", name, ATTRIBUTE_NAME, f"names of {ATTRIBUTE_NAME_IN_WORDS}")
            _check("attributes", value, ATTRIBUTE_VALUE, ATTRIBUTE_VALUE_IN_WORDS)
        most = _ATTRIBUTES_WITH_TYPE if self.type else _ATTRIBUTES_WITHOUT_TYPE
        if len(self.attributes) > most:
            kind = "with" if self.type else "without"
            raise refusal(
                "attributes", f"{len(self.attributes)} of them", f"{most} at most for a thing {kind} a type"
            )
        if self.renewal is Renewal.ALLOW and self.attachment is Attachment.NON_EXCLUSIVE:
            raise refusal(
                "attachment",
                "NON_EXCLUSIVE_THING with renewal 'allow', which detaches the old certificate from all",
                "EXCLUSIVE_THING, or renewal 'refuse'",
            )
        if self.renewal is Renewal.REFUSE and self.grace_period != DEFAULT_GRACE_PERIOD:
            raise refusal(
                "grace_period",
                f"{shown(self.grace_period)} with renewal 'refuse', which has no grace period",
                "renewal 'allow', or no grace period",
            )


def things_setting(things: ThingRegistration, scope: "Construct", *, lease: timedelta) -> str:
    """Return the setting of the functions, the value of `JITR_THINGS`.

    Args:
        things: The settings of the devices' things.
        scope: A construct of the stack it is for.
        lease: How long a lease on a thing lasts; longer than the activator's time-out.
    """
    settings = ThingSettings(
        name=things.name,
        type=things.type,
        groups=list(things.groups),
        attributes=dict(things.attributes),
        attachment=Attachment(things.attachment).value,
        renewal=Renewal(things.renewal).value,
        grace_seconds=whole_seconds(things.grace_period),
    )
    return cdk.Stack.of(scope).to_json_string(
        {"thing": asdict(settings), "lease_seconds": whole_seconds(lease)}
    )


def registration_permissions(things: ThingRegistration, scope: "Construct") -> list[iam.PolicyStatement]:
    """Return the activator's permissions: create things, list their certificates, attach a certificate."""
    names = [_arn(scope, "thing", things.name)]
    statements = [
        iam.PolicyStatement(actions=["iot:CreateThing", "iot:ListThingPrincipals"], resources=names),
        on_certificates(scope, "iot:AttachThingPrincipal"),
    ]
    if things.groups:
        groups = [_arn(scope, "thinggroup", group) for group in things.groups]
        statements.append(
            iam.PolicyStatement(actions=["iot:AddThingToThingGroup"], resources=[*names, *groups])
        )
    return statements


def retirement_permissions(things: ThingRegistration, scope: "Construct") -> list[iam.PolicyStatement]:
    """Return the permissions to end grace periods, besides access to the ledger."""
    if things.renewal is Renewal.REFUSE:
        return []
    return [
        on_certificates(scope, "iot:DescribeCertificate", "iot:UpdateCertificate"),
        on_certificates(scope, "iot:DetachThingPrincipal"),
    ]


def _fields_of(option: str, template: str) -> set[Field]:
    try:
        return fields_of(template)
    except UnknownFieldError as error:
        raise refusal(option, f"'{template}'", str(error)) from error


def _check(option: str, template: str | None, pattern: "re.Pattern[str]", allowed: str) -> None:
    """Check the literal text of a template: a field may have any value."""
    if template is None or cdk.Token.is_unresolved(template):
        return
    _fields_of(option, template)
    if not pattern.fullmatch(fill(template, lambda _: "x")):
        raise refusal(option, f"'{template}'", allowed)


def _arn(scope: "Construct", kind: str, name: str) -> str:
    """The ARN of the resource that a template names; a wildcard replaces the part from the first field on."""
    literal, field, _ = name.partition("{{")
    return cdk.Stack.of(scope).format_arn(
        service="iot", resource=kind, resource_name=f"{literal}*" if field else name
    )
