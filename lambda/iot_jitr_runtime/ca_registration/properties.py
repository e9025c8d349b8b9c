"""The custom resource's properties: what the stack writes and the function reads, in one place.

All of them stand in the template, readable by whoever may read it: public data and references only, never
key material.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from iot_jitr_runtime.ca_registration.sources import NoSource, Source, source_from, source_properties
from iot_jitr_runtime.errors import JitrError

RESOURCE_TYPE = "Custom::JitrCaCertificate"


class MalformedPropertiesError(JitrError):
    """The resource's properties are not what this version of the stack writes."""


class Mode(StrEnum):
    """`certificateMode` of a CA: is possession of its key proved, and how many accounts may hold it?

    https://docs.aws.amazon.com/iot/latest/apireference/API_RegisterCACertificate.html
    """

    DEFAULT = "DEFAULT"
    """A verification certificate proves possession; one account per region."""
    SNI_ONLY = "SNI_ONLY"
    """No proof; the same CA in many accounts and regions; devices must send SNI."""


class CaStatus(StrEnum):
    """Status of a registered CA certificate.

    https://docs.aws.amazon.com/iot/latest/apireference/API_UpdateCACertificate.html
    """

    ACTIVE = "ACTIVE"
    """Its devices register and connect."""
    INACTIVE = "INACTIVE"
    """None registers any more; those that are in stay connected."""


class AutoRegistration(StrEnum):
    """Whether the CA's devices are registered at their first connect.

    https://docs.aws.amazon.com/iot/latest/apireference/API_UpdateCACertificate.html
    """

    ENABLE = "ENABLE"
    """Devices of this CA register at their first connect."""
    DISABLE = "DISABLE"
    """They don't any more; those that are in stay connected."""


class OnExisting(StrEnum):
    """What creation does about a CA that somebody else has registered already."""

    ADOPT = "adopt"
    """Take it up, and give its former state back in the end."""
    FAIL = "fail"
    """Fail the deployment."""


class OnDelete(StrEnum):
    """What deletion does to a CA that this resource registered. Connected devices stay in each case.

    https://docs.aws.amazon.com/iot/latest/apireference/API_DeleteCACertificate.html
    """

    DISABLE = "disable"
    """Auto-registration off: no new registrations."""
    DEACTIVATE = "deactivate"
    """Auto-registration off and the CA INACTIVE."""
    DELETE = "delete"
    """The CA is deactivated and deleted."""
    RETAIN = "retain"
    """The CA keeps working as it is."""


class Attribute(StrEnum):
    """What the resource answers with; names for `Fn::GetAtt`."""

    CERTIFICATE_ID = "CaCertificateId"
    CERTIFICATE_ARN = "CaCertificateArn"
    STATUS = "Status"
    MODE = "Mode"
    AUTO_REGISTRATION = "AutoRegistrationStatus"
    NOT_AFTER = "NotAfter"
    """End of the CA's validity, ISO 8601 in UTC."""


@dataclass(frozen=True)
class CaProperties:
    """One CA certificate as it shall be registered."""

    construct_path: str
    """Path of the construct; with the stack's name it tells whose registration a CA is."""
    certificate_pem: str | None
    """The CA certificate, PEM. None: read from the AWS Private CA that signs."""
    source: Source = field(default_factory=NoSource)
    """Who signs the verification certificate."""
    mode: Mode = Mode.DEFAULT
    status: CaStatus = CaStatus.ACTIVE
    auto_registration: AutoRegistration = AutoRegistration.ENABLE
    on_existing: OnExisting = OnExisting.ADOPT
    on_delete: OnDelete = OnDelete.DISABLE
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of the CA besides those that say whose it is."""

    def to_cloudformation(self) -> dict[str, Any]:
        """The properties as they stand in the template."""
        properties: dict[str, Any] = {
            "ConstructPath": self.construct_path,
            "Source": source_properties(self.source),
            "Mode": self.mode.value,
            "DesiredStatus": self.status.value,
            "AutoRegistration": self.auto_registration.value,
            "OnExisting": self.on_existing.value,
            "OnDelete": self.on_delete.value,
            "CaTags": dict(self.tags),
        }
        if self.certificate_pem is not None:
            properties["CaCertificatePem"] = self.certificate_pem
        return properties

    @classmethod
    def from_cloudformation(cls, properties: Mapping[str, Any]) -> Self:
        """Read the properties of an event.

        Raises:
            MalformedPropertiesError: One is missing or has no allowed value.
        """
        try:
            return cls(
                construct_path=properties["ConstructPath"],
                certificate_pem=properties.get("CaCertificatePem"),
                source=source_from(properties["Source"]),
                mode=Mode(properties["Mode"]),
                status=CaStatus(properties["DesiredStatus"]),
                auto_registration=AutoRegistration(properties["AutoRegistration"]),
                on_existing=OnExisting(properties["OnExisting"]),
                on_delete=OnDelete(properties["OnDelete"]),
                tags=dict(properties.get("CaTags") or {}),
            )
        except (KeyError, ValueError, TypeError) as error:
            raise MalformedPropertiesError(
                f"the resource's properties cannot be read ({type(error).__name__}: {error}); stack and "
                "function must be of the same version"
            ) from error
