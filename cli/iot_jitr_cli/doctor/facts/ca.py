"""The CA certificate under which the device certificate is registered, or would be."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from iot_jitr_cli.chain.parsing import signed
from iot_jitr_cli.doctor.facts.device import DeviceFacts
from iot_jitr_cli.doctor.facts.fact import CannotTellError, MissingPermissionError, NoAnswerError, fact
from iot_jitr_runtime.ca_registration.properties import RESOURCE_TYPE
from iot_jitr_runtime.ca_registration.registry import (
    CaRegistry,
    DeniedError,
    NotRegisteredError,
    RegisteredCa,
    RegistryError,
)
from iot_jitr_runtime.identifiers import CaCertificateId

if TYPE_CHECKING:
    import boto3

    from iot_jitr_runtime.certificates import Certificate


@dataclass(frozen=True)
class Issuer:
    """What was found of the device certificate's CA."""

    ca: RegisteredCa | None
    """The registered CA that signed the device certificate."""
    namesake: RegisteredCa | None = None
    """A registered CA that has the issuer's name, but another key."""


class CaFacts:
    """Facts about the CA of one device certificate."""

    def __init__(self, session: "boto3.Session", stack_name: str, device: DeviceFacts) -> None:
        self._session = session
        self._stack_name = stack_name
        self._device = device

    @fact("iot:DescribeCACertificate")
    def issuer(self) -> Issuer:
        """The CA that AWS IoT names for a registered certificate; else the registered CA that signed it.

        Raises:
            CannotTellError: AWS IoT does not answer, or there is no certificate whose CA to look for.
        """
        registered = self._device.registered
        if registered is not None and registered.ca_certificate_id is not None:
            return Issuer(self._describe(registered.ca_certificate_id))
        certificate = self._device.certificate
        if certificate is None:
            raise CannotTellError("without a chain file, the device's CA is unknown")
        return _issuer(certificate, self._registered_cas)

    @fact("iot:ListCACertificates")
    def _registered_cas(self) -> tuple[RegisteredCa, ...]:
        """All CA certificates of the account and region."""
        pages = self._session.client("iot").get_paginator("list_ca_certificates").paginate()
        ids = [CaCertificateId(entry["certificateId"]) for page in pages for entry in page["certificates"]]
        return tuple(found for found in map(self._describe, ids) if found is not None)

    @fact("cloudformation:DescribeStackEvents")
    def registration_failure(self) -> str:
        """Why the stack's last registration of a CA failed; empty where it did not fail."""
        pages = self._session.client("cloudformation").get_paginator("describe_stack_events")
        for page in pages.paginate(StackName=self._stack_name):
            for event in page["StackEvents"]:
                if event.get("ResourceType") != RESOURCE_TYPE:
                    continue
                # Newest first, and a failed creation is followed by its own clean-up.
                status = event.get("ResourceStatus", "")
                if status in {"CREATE_FAILED", "UPDATE_FAILED"}:
                    return event.get("ResourceStatusReason", "")
                if status in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
                    return ""
        return ""

    def _describe(self, ca_id: CaCertificateId) -> RegisteredCa | None:
        try:
            return CaRegistry(self._session.client("iot")).describe(ca_id)
        except NotRegisteredError:
            return None
        except DeniedError as error:
            raise MissingPermissionError("iot:DescribeCACertificate") from error
        except RegistryError as error:
            raise NoAnswerError(str(error)) from error


def _issuer(certificate: "Certificate", candidates: tuple[RegisteredCa, ...]) -> Issuer:
    namesakes = [ca for ca in candidates if ca.certificate.x509.subject == certificate.x509.issuer]
    signers = [ca for ca in namesakes if signed(ca.certificate, certificate)]
    return Issuer(next(iter(signers), None), next((ca for ca in namesakes if ca not in signers), None))
