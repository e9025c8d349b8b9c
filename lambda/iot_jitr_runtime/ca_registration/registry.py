"""The CA certificates of one account and region, as AWS IoT keeps them, with its errors made ours."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iot_jitr_runtime.ca_registration.api_errors import translated
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaStatus, Mode
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.identifiers import CaCertificateId

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient


@dataclass(frozen=True)
class CaState:
    """What can change about a registered CA."""

    status: CaStatus
    auto_registration: AutoRegistration


@dataclass(frozen=True)
class RegisteredCa:
    """A CA certificate as AWS IoT describes it."""

    ca_id: CaCertificateId
    arn: str
    certificate: Certificate
    state: CaState
    mode: Mode
    has_template: bool
    """Whether it has a `registrationConfig`, a template for just-in-time provisioning."""


class CaRegistry:
    """AWS IoT's calls about CA certificates. Each may raise `RegistryError`."""

    def __init__(self, iot: "IoTClient") -> None:
        self._iot = iot

    def registration_code(self) -> str:
        """The account's registration code in this region."""
        with translated("GetRegistrationCode"):
            return self._iot.get_registration_code()["registrationCode"]

    def register(
        self,
        ca: Certificate,
        verification_certificate: str | None,
        mode: Mode,
        state: CaState,
        tags: Mapping[str, str],
    ) -> RegisteredCa:
        """Register `ca` in `state`, tagged, in one call.

        Raises:
            AlreadyRegisteredError: It is registered.
            OutcomeUnknownError: It may be registered now, or not.
        """
        verification = (
            {"verificationCertificate": verification_certificate} if verification_certificate else {}
        )
        with translated("RegisterCACertificate"):
            answer = self._iot.register_ca_certificate(
                caCertificate=ca.pem,
                certificateMode=mode.value,
                setAsActive=state.status is CaStatus.ACTIVE,
                allowAutoRegistration=state.auto_registration is AutoRegistration.ENABLE,
                tags=[{"Key": key, "Value": value} for key, value in tags.items()],
                **verification,  # type: ignore[arg-type]
            )
        return RegisteredCa(
            ca_id=CaCertificateId(answer["certificateId"]),
            arn=answer["certificateArn"],
            certificate=ca,
            state=state,
            mode=mode,
            has_template=False,
        )

    def describe(self, ca_id: CaCertificateId) -> RegisteredCa:
        """The CA as it is now.

        Raises:
            NotRegisteredError: There is none with this id.
        """
        with translated(f"DescribeCACertificate {ca_id}"):
            answer = self._iot.describe_ca_certificate(certificateId=ca_id)
        found = answer["certificateDescription"]
        return RegisteredCa(
            ca_id=ca_id,
            arn=found["certificateArn"],
            certificate=Certificate.load(found["certificatePem"]),
            state=CaState(
                CaStatus(found["status"]),
                AutoRegistration(found.get("autoRegistrationStatus", AutoRegistration.DISABLE)),
            ),
            mode=Mode(found.get("certificateMode", Mode.DEFAULT)),
            has_template=bool(answer.get("registrationConfig")),
        )

    def ids(self) -> list[CaCertificateId]:
        """The ids of all CA certificates of the account and region."""
        with translated("ListCACertificates"):
            pages = self._iot.get_paginator("list_ca_certificates").paginate()
            return [
                CaCertificateId(entry["certificateId"]) for page in pages for entry in page["certificates"]
            ]

    def find(self, ca: Certificate) -> RegisteredCa | None:
        """Look for `ca` among all registered CAs, by its bytes: its id is AWS's affair."""
        return next(
            (found for found in map(self.describe, self.ids()) if found.certificate.der == ca.der), None
        )

    def set_state(self, ca_id: CaCertificateId, state: CaState) -> None:
        """Set status and auto-registration, in one call."""
        with translated(f"UpdateCACertificate {ca_id}"):
            self._iot.update_ca_certificate(
                certificateId=ca_id,
                newStatus=state.status.value,
                newAutoRegistrationStatus=state.auto_registration.value,
            )

    def delete(self, ca_id: CaCertificateId) -> None:
        """Delete a CA that is INACTIVE."""
        with translated(f"DeleteCACertificate {ca_id}"):
            self._iot.delete_ca_certificate(certificateId=ca_id)

    def tags(self, arn: str) -> dict[str, str]:
        """All tags of the CA."""
        with translated(f"ListTagsForResource {arn}"):
            pages = self._iot.get_paginator("list_tags_for_resource").paginate(resourceArn=arn)
            return {tag["Key"]: tag.get("Value", "") for page in pages for tag in page["tags"]}

    def tag(self, arn: str, tags: Mapping[str, str]) -> None:
        """Set `tags`, leaving others as they are."""
        if tags:
            with translated(f"TagResource {arn}"):
                self._iot.tag_resource(
                    resourceArn=arn, tags=[{"Key": key, "Value": value} for key, value in tags.items()]
                )

    def untag(self, arn: str, keys: AbstractSet[str]) -> None:
        """Remove the tags with these keys, where they are."""
        if keys:
            with translated(f"UntagResource {arn}"):
                self._iot.untag_resource(resourceArn=arn, tagKeys=sorted(keys))
