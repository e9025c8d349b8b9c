"""All checks that a certificate must pass before it becomes ACTIVE: by activation, or by a release."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from iot_jitr_runtime.accepted_algorithms import check_device_certificate
from iot_jitr_runtime.activator.interfaces import (
    Admission,
    DeviceCertificate,
    PolicyAttachment,
    RevocationCheck,
)
from iot_jitr_runtime.certificates import Certificate, MalformedCertificateError
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.outcomes import Reason, RefusedError

if TYPE_CHECKING:
    from mypy_boto3_iot.type_defs import CertificateDescriptionTypeDef

    from iot_jitr_runtime.activator.issuers import Issuers


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the decision to activate rests on."""

    index_version: str | None
    """Version of the revocation index, None where the CA has no CRL."""
    attributes: Mapping[str, str]
    """What the admission says of the device, for its thing."""


@dataclass(frozen=True)
class Validation:
    """Checks certificates. It changes nothing."""

    issuers: "Issuers"
    policy: PolicyAttachment
    revocation: RevocationCheck
    admission: Admission
    ca_devices: Collection[CaCertificateId] = ()
    """CAs whose devices may present a certificate with basicConstraints CA:TRUE, by configuration."""

    def identify(
        self, certificate_id: CertificateId, description: "CertificateDescriptionTypeDef"
    ) -> DeviceCertificate:
        """Read the answer of DescribeCertificate.

        Raises:
            PermanentError: `FOREIGN_CA`.
            RefusedError: `UNPARSABLE_CERTIFICATE`.
        """
        self.issuers.certificate(description.get("caCertificateId"))
        try:
            certificate = Certificate.load(description["certificatePem"])
        except MalformedCertificateError as error:
            raise RefusedError(Reason.UNPARSABLE_CERTIFICATE, str(error)) from error
        return DeviceCertificate(
            certificate_id=certificate_id,
            certificate_arn=description["certificateArn"],
            ca_certificate_id=CaCertificateId(description["caCertificateId"]),
            certificate=certificate,
        )

    def validate(self, device: DeviceCertificate, now: datetime) -> Evidence:
        """Check issuer, signature, algorithms, use, validity, common name, revocation and admission.

        botocore's errors propagate.

        Raises:
            RefusedError: A check failed.
            DeferredError: A check could not be made.
        """
        certificate, ca = device.certificate, device.ca_certificate_id
        certificate.check_issued_by(self.issuers.certificate(ca))
        try:
            check_device_certificate(certificate, may_be_a_ca=ca in self.ca_devices)
        except MalformedCertificateError as error:
            raise RefusedError(Reason.UNPARSABLE_CERTIFICATE, str(error)) from error
        certificate.check_validity(now)
        self.policy.check(device)
        index_version = self.revocation.check(ca, certificate)
        return Evidence(index_version, self.admission.admit(device))
