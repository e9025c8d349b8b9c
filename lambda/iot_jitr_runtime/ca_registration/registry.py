"""AWS IoT's calls about the CA certificates of one account and region, and what their errors mean."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from iot_jitr_runtime.aws_errors import DENIED, THROTTLED, AwsError, error_code
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaState, CaStatus, Mode
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CaCertificateId

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient

_FIRST_SERVER_ERROR = 500


class RegistryError(JitrError):
    """AWS IoT refused a call about a CA certificate, which had no effect. Its cause is the SDK's error."""


class AlreadyRegisteredError(RegistryError):
    """The CA is registered already, under the id `ca_id`; empty where AWS IoT does not name it."""

    def __init__(self, ca_id: str) -> None:
        super().__init__(f"the CA certificate is already registered, with id {ca_id or '(not named)'}")
        self.ca_id = CaCertificateId(ca_id)


class NotRegisteredError(RegistryError):
    """The account has no CA certificate with this id in this region."""


class DeniedError(RegistryError):
    """The caller's role lacks a permission."""


class OutcomeUnknownError(RegistryError):
    """The call failed, and it is unknown whether it took effect."""


EXPLAINED: dict[str, tuple[type[RegistryError], str]] = {
    "ResourceNotFoundException": (NotRegisteredError, "no such CA certificate"),
    "RegistrationCodeValidationException": (
        RegistryError,
        (
            "the verification certificate's common name must be the registration code of this account and "
            "region ('jitr ca registration-code')"
        ),
    ),
    "CertificateValidationException": (
        RegistryError,
        "the verification certificate must be signed by the CA certificate's key, and both must be valid now",
    ),
    "LimitExceededException": (
        RegistryError,
        (
            "the account's quota is reached; delete a CA certificate that is not in use ('jitr ca list'), or "
            "ask for a higher quota"
        ),
    ),
    **dict.fromkeys(THROTTLED, (RegistryError, "throttled through all retries; try again later")),
    **dict.fromkeys(DENIED, (DeniedError, "the permission is missing")),
}
"""The error for each error code of AWS IoT, and its explanation."""


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
        with _translated("GetRegistrationCode"):
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
        with _translated("RegisterCACertificate"):
            answer = self._iot.register_ca_certificate(
                caCertificate=ca.pem,
                certificateMode=mode.value,
                setAsActive=state.status is CaStatus.ACTIVE,
                allowAutoRegistration=state.auto_registration is AutoRegistration.ENABLE,
                tags=[{"Key": key, "Value": value} for key, value in tags.items()],
                **verification,  # type: ignore[arg-type]
            )
        ca_id = CaCertificateId(answer["certificateId"])
        return RegisteredCa(ca_id, answer["certificateArn"], ca, state, mode, has_template=False)

    def describe(self, ca_id: CaCertificateId) -> RegisteredCa:
        """Return the current registration of the CA.

        Raises:
            NotRegisteredError: There is none with this id.
        """
        with _translated(f"DescribeCACertificate {ca_id}"):
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
        with _translated("ListCACertificates"):
            pages = self._iot.get_paginator("list_ca_certificates").paginate()
            return [
                CaCertificateId(entry["certificateId"]) for page in pages for entry in page["certificates"]
            ]

    def find(self, ca: Certificate) -> RegisteredCa | None:
        """Find `ca` among all registered CAs by its bytes: AWS does not document how the id is derived."""
        return next(
            (found for found in map(self.describe, self.ids()) if found.certificate.der == ca.der), None
        )

    def set_state(self, ca_id: CaCertificateId, state: CaState) -> None:
        """Set status and auto-registration, in one call."""
        with _translated(f"UpdateCACertificate {ca_id}"):
            self._iot.update_ca_certificate(
                certificateId=ca_id,
                newStatus=state.status.value,
                newAutoRegistrationStatus=state.auto_registration.value,
            )

    def delete(self, ca_id: CaCertificateId) -> None:
        """Delete a CA that is INACTIVE."""
        with _translated(f"DeleteCACertificate {ca_id}"):
            self._iot.delete_ca_certificate(certificateId=ca_id)

    def tags(self, arn: str) -> dict[str, str]:
        """All tags of the CA."""
        with _translated(f"ListTagsForResource {arn}"):
            pages = self._iot.get_paginator("list_tags_for_resource").paginate(resourceArn=arn)
            return {tag["Key"]: tag.get("Value", "") for page in pages for tag in page["tags"]}

    def tag(self, arn: str, tags: Mapping[str, str]) -> None:
        """Set `tags`, leaving others as they are."""
        if tags:
            with _translated(f"TagResource {arn}"):
                self._iot.tag_resource(
                    resourceArn=arn, tags=[{"Key": key, "Value": value} for key, value in tags.items()]
                )

    def untag(self, arn: str, keys: AbstractSet[str]) -> None:
        """Remove the tags with these keys, where they are."""
        if keys:
            with _translated(f"UntagResource {arn}"):
                self._iot.untag_resource(resourceArn=arn, tagKeys=sorted(keys))


@contextmanager
def _translated(call: str) -> Iterator[None]:
    """Turn an AWS error into a `RegistryError`; `call` is the name of the AWS call in the message."""
    try:
        yield
    except AwsError as error:
        code = error_code(error)
        if code == "ResourceAlreadyExistsException" and isinstance(error, ClientError):
            raise AlreadyRegisteredError(str(error.response.get("resourceId", ""))) from error
        if code in EXPLAINED:
            kind, meaning = EXPLAINED[code]
        elif _had_no_effect(error):
            kind, meaning = RegistryError, "it was refused"
        else:
            kind, meaning = OutcomeUnknownError, "it may or may not have taken effect; try again"
        found = error.response["Error"].get("Message", "") if isinstance(error, ClientError) else error
        raise kind(f"{call}: {meaning} ({code}: {found})") from error


def _had_no_effect(error: ClientError | BotoCoreError) -> bool:
    if isinstance(error, ClientError):
        metadata = error.response.get("ResponseMetadata", {})
        return int(metadata.get("HTTPStatusCode", _FIRST_SERVER_ERROR)) < _FIRST_SERVER_ERROR
    return isinstance(error, ParamValidationError)
