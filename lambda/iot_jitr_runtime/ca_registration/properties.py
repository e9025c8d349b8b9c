"""The custom resource's properties, which the stack writes and the function reads.

They are visible in the template. So they contain only public data and references, never key material.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from iot_jitr_runtime.ca_registration.signers import NoSigner, Signer, signer_from, signer_properties
from iot_jitr_runtime.custom_resource import Properties

RESOURCE_TYPE = "Custom::JitrCaCertificate"


class Mode(StrEnum):
    """`certificateMode` of a CA: whether possession of its key is proved, and how many accounts may hold it.

    https://docs.aws.amazon.com/iot/latest/apireference/API_RegisterCACertificate.html
    """

    DEFAULT = "DEFAULT"
    """A verification certificate proves possession; one account per region."""
    SNI_ONLY = "SNI_ONLY"
    """No proof; many accounts and regions may hold the same CA; devices must send SNI."""


class CaStatus(StrEnum):
    """Status of a registered CA certificate.

    https://docs.aws.amazon.com/iot/latest/apireference/API_UpdateCACertificate.html
    """

    ACTIVE = "ACTIVE"
    """Its devices register and connect."""
    INACTIVE = "INACTIVE"
    """No new device registers; devices that are active stay connected."""


class AutoRegistration(StrEnum):
    """Whether the CA's devices are registered at their first connect.

    https://docs.aws.amazon.com/iot/latest/apireference/API_UpdateCACertificate.html
    """

    ENABLE = "ENABLE"
    """Devices of this CA register at their first connect."""
    DISABLE = "DISABLE"
    """No new device registers; devices that are active stay connected."""


class OnExisting(StrEnum):
    """The action of creation if the CA is registered already, and not by a stack of this project."""

    ADOPT = "adopt"
    """Manage it from now on, and restore its former state on deletion."""
    FAIL = "fail"
    """Fail the deployment."""


class OnDelete(StrEnum):
    """The action of deletion on a CA that this resource registered. Devices stay connected in each case.

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
    """The resource's attributes; names for `Fn::GetAtt`."""

    CERTIFICATE_ID = "CaCertificateId"
    CERTIFICATE_ARN = "CaCertificateArn"
    STATUS = "Status"
    MODE = "Mode"
    AUTO_REGISTRATION = "AutoRegistrationStatus"
    NOT_AFTER = "NotAfter"
    """End of the CA's validity, ISO 8601 in UTC."""


@dataclass(frozen=True)
class CaState:
    """The settings of a registered CA that can change."""

    status: CaStatus
    auto_registration: AutoRegistration

    def __str__(self) -> str:
        return f"{self.status}/{self.auto_registration}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote.

        Raises:
            ValueError: It is no state of a CA.
        """
        status, auto_registration = text.split("/")
        return cls(CaStatus(status), AutoRegistration(auto_registration))


@dataclass(frozen=True)
class CaProperties(Properties):
    """The desired registration of one CA certificate."""

    ca_certificate_pem: str | None
    """The CA certificate, PEM. None: the function reads it from the AWS Private CA that is the signer."""
    signer: Signer = field(
        default_factory=NoSigner, metadata={"write": signer_properties, "read": signer_from}
    )
    """The signer of the verification certificate."""
    mode: Mode = Mode.DEFAULT
    desired_status: CaStatus = CaStatus.ACTIVE
    auto_registration: AutoRegistration = AutoRegistration.ENABLE
    on_existing: OnExisting = OnExisting.ADOPT
    on_delete: OnDelete = OnDelete.DISABLE
    # Without any tag, CloudFormation leaves the property out.
    ca_tags: Mapping[str, str] = field(
        default_factory=dict, metadata={"write": dict, "read": lambda tags: dict(tags or {})}
    )
    """Tags of the CA besides the ownership tags."""

    @property
    def state(self) -> CaState:
        """The state that the CA gets."""
        return CaState(self.desired_status, self.auto_registration)
