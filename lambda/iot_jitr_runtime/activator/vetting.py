"""All checks that a certificate must pass before it may be ACTIVE: to be activated, and to be released."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from iot_jitr_runtime.accepted_algorithms import check_device_certificate
from iot_jitr_runtime.activator.ports import Admission, Candidate, PolicyAttachment, RevocationCheck
from iot_jitr_runtime.certificates import Certificate, MalformedCertificateError
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.outcomes import Reason, RefusedError

if TYPE_CHECKING:
    from mypy_boto3_iot.type_defs import CertificateDescriptionTypeDef

    from iot_jitr_runtime.activator.issuers import Issuers


@dataclass(frozen=True, slots=True)
class Vetted:
    """What a certificate's passing rests on."""

    index_version: str | None
    """Version of the revocation index, None where its CA has no CRL."""
    attributes: Mapping[str, str]
    """What the admission says of the device, for its thing."""


@dataclass(frozen=True)
class Vetting:
    """Checks certificates. Nothing is changed by it."""

    issuers: "Issuers"
    policy: PolicyAttachment
    revocation: RevocationCheck
    admission: Admission
    ca_devices: Collection[CaCertificateId] = ()
    """CAs whose devices may present a certificate with basicConstraints CA:TRUE, by configuration."""

    def candidate(
        self, certificate_id: CertificateId, description: "CertificateDescriptionTypeDef"
    ) -> Candidate:
        """Read a certificate that AWS IoT described.

        Raises:
            HopelessError: `FOREIGN_CA`.
            RefusedError: `UNPARSABLE_CERTIFICATE`.
        """
        self.issuers.certificate(description.get("caCertificateId"))
        try:
            certificate = Certificate.load(description["certificatePem"])
        except MalformedCertificateError as error:
            raise RefusedError(Reason.UNPARSABLE_CERTIFICATE, str(error)) from error
        return Candidate(
            certificate_id=certificate_id,
            certificate_arn=description["certificateArn"],
            ca_certificate_id=CaCertificateId(description["caCertificateId"]),
            certificate=certificate,
        )

    def vet(self, candidate: Candidate, now: datetime) -> Vetted:
        """Check issuer, signature, algorithms, use, validity, common name, revocation and admission.

        botocore's errors propagate.

        Raises:
            RefusedError: A check said no.
            DeferredError: One could not say.
        """
        certificate = candidate.certificate
        certificate.check_issued_by(self.issuers.certificate(candidate.ca_certificate_id))
        _check_device_certificate(certificate, may_be_a_ca=candidate.ca_certificate_id in self.ca_devices)
        certificate.check_validity(now)
        self.policy.check(candidate)
        index_version = self.revocation.check(candidate.ca_certificate_id, certificate)
        return Vetted(index_version, self.admission.admit(candidate))


def _check_device_certificate(certificate: Certificate, *, may_be_a_ca: bool) -> None:
    try:
        check_device_certificate(certificate, may_be_a_ca=may_be_a_ca)
    except MalformedCertificateError as error:
        raise RefusedError(Reason.UNPARSABLE_CERTIFICATE, str(error)) from error
