"""What an activation asks of others: revocation, admission, things, policy. Each has one interface here.

botocore's errors may propagate: `retry.attempt` turns them into deferrals. Any call may be repeated after a
crash, so every implementation is idempotent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger import Identity


@dataclass(frozen=True)
class DeviceCertificate:
    """A device certificate as AWS IoT describes it, registered under a CA of this deployment."""

    certificate_id: CertificateId
    certificate_arn: str
    ca_certificate_id: CaCertificateId
    certificate: Certificate

    @property
    def identity(self) -> Identity:
        """What the ledger keeps of it."""
        certificate = self.certificate
        return Identity(
            self.ca_certificate_id, certificate.serial_number, next(iter(certificate.common_names), None)
        )


class RevocationCheck(Protocol):
    """Checks whether a certificate is on its CA's CRL."""

    def prepare(self) -> None:
        """Do what needs no certificate, so that `check` makes a call only where it must. It never fails."""

    def check(self, ca_certificate_id: CaCertificateId, certificate: Certificate) -> str | None:
        """Return the version of the revocation index that was used, None where the CA has no CRL.

        Raises:
            RefusedError: `REVOKED` or `ON_HOLD`.
            DeferredError: `CRL_MISSING`, `CRL_STALE` or `CRL_PARTITION_MISSING`: fail closed.
        """


class Admission(Protocol):
    """Checks whether a device is expected."""

    def admit(self, device: DeviceCertificate) -> Mapping[str, str]:
        """Return attributes for the device's thing (none is fine).

        Raises:
            RefusedError: `NOT_LISTED` or `REFUSED_BY_FUNCTION`.
            DeferredError: `ADMISSION_FAILED`.
        """


class ThingRegistration(Protocol):
    """Registers the device's thing."""

    def register(self, device: DeviceCertificate, attributes: Mapping[str, str]) -> str | None:
        """Create or reuse the thing, attach the certificate to it and return its name; None without things.

        Raises:
            RefusedError: `INVALID_THING_NAME` or `THING_TAKEN`.
        """


class PolicyAttachment(Protocol):
    """Attaches the device's policy, before the certificate is activated."""

    def check(self, device: DeviceCertificate) -> None:
        """Check, without a call, that the policy can tell this device from others.

        Raises:
            RefusedError: `INVALID_COMMON_NAME`.
        """

    def attach(self, device: DeviceCertificate, thing_name: str | None) -> str:
        """Attach the policy to the certificate and return the policy's name.

        Raises:
            DeferredError: `POLICY_MISSING`.
        """


class NoCrl:
    """The check of a CA that is configured to have no CRL (`revocation: none`)."""

    def prepare(self) -> None:
        """Nothing to prepare."""

    def check(self, ca_certificate_id: CaCertificateId, certificate: Certificate) -> None:  # noqa: ARG002 - the interface's
        """Nothing to look up."""
        return


class AdmitAll:
    """Every certificate of this deployment's CAs is expected."""

    def admit(self, device: DeviceCertificate) -> Mapping[str, str]:  # noqa: ARG002 - the interface's
        """Admit."""
        return {}


class NoThings:
    """Devices have no things."""

    def register(self, device: DeviceCertificate, attributes: Mapping[str, str]) -> None:  # noqa: ARG002 - the interface's
        """Nothing to register."""
        return
