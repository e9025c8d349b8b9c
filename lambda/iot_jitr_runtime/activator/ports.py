"""What the activation asks of others: revocation, admission, things, policy. Each has one seam here.

Implementations may let botocore's errors fly: the activation turns them into deferrals in one place. Every
step may be repeated after a crash, so every implementation is idempotent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId


@dataclass(frozen=True)
class Candidate:
    """A pending device certificate whose issuer, signature and validity have been verified."""

    certificate_id: CertificateId
    certificate_arn: str
    ca_certificate_id: CaCertificateId
    certificate: Certificate


class RevocationCheck(Protocol):
    """Answers whether a certificate is on its CA's CRL."""

    def prepare(self) -> None:
        """Do what needs no certificate, so that `check` makes a call only where it must. It never fails."""

    def check(self, ca_certificate_id: CaCertificateId, certificate: Certificate) -> str | None:
        """Return the version of the revocation index the answer rests on, None where the CA has no CRL.

        Raises:
            RefusedError: `REVOKED` or `ON_HOLD`.
            DeferredError: `CRL_MISSING`, `CRL_STALE` or `CRL_PARTITION_MISSING`: fail closed.
        """


class Admission(Protocol):
    """Answers whether a device is expected."""

    def admit(self, candidate: Candidate) -> Mapping[str, str]:
        """Return attributes for the device's thing (none is fine).

        Raises:
            RefusedError: `NOT_LISTED` or `REFUSED_BY_FUNCTION`.
            DeferredError: `ADMISSION_FAILED`.
        """


class ThingRegistration(Protocol):
    """Gives the certificate its thing."""

    def register(self, candidate: Candidate, attributes: Mapping[str, str]) -> str | None:
        """Create or reuse the thing, attach the certificate to it and return its name; None without things.

        Raises:
            RefusedError: `INVALID_THING_NAME` or `THING_TAKEN`.
        """


class PolicyAttachment(Protocol):
    """Gives the certificate its policy, before it is activated."""

    def check(self, candidate: Candidate) -> None:
        """Check, without a call, that the policy can tell this device from others.

        Raises:
            RefusedError: `INVALID_COMMON_NAME`.
        """

    def attach(self, candidate: Candidate, thing_name: str | None) -> str:
        """Attach the policy to the certificate and return the policy's name.

        Raises:
            DeferredError: `POLICY_MISSING`.
        """


class NoCrl:
    """The check of a CA that was declared, in words, to have no CRL (`revocation: none`)."""

    def prepare(self) -> None:
        """Nothing to prepare."""

    def check(self, ca_certificate_id: CaCertificateId, certificate: Certificate) -> None:  # noqa: ARG002 - the seam's
        """Nothing to look up."""
        return


class AdmitAll:
    """Every certificate of this deployment's CAs is expected."""

    def admit(self, candidate: Candidate) -> Mapping[str, str]:  # noqa: ARG002 - the seam's
        """Admit."""
        return {}


class NoThings:
    """Devices get no thing."""

    def register(self, candidate: Candidate, attributes: Mapping[str, str]) -> None:  # noqa: ARG002 - the seam's
        """Nothing to register."""
        return
