"""All checks that a certificate must pass before it becomes ACTIVE: by activation, or by a release."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from iot_jitr_runtime.accepted_algorithms import check_device_certificate
from iot_jitr_runtime.certificates import MalformedCertificateError
from iot_jitr_runtime.device_certificate import DeviceCertificate
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.outcomes import Reason, RefusedError
from iot_jitr_runtime.policy.common_name import check_common_name

if TYPE_CHECKING:
    from mypy_boto3_iot.type_defs import CertificateDescriptionTypeDef

    from iot_jitr_runtime.activator.issuers import Issuers
    from iot_jitr_runtime.admission.allow_list import AllowList
    from iot_jitr_runtime.admission.function import AdmissionFunction
    from iot_jitr_runtime.revocation.checker import IndexedRevocation


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence for the decision to activate."""

    index_version: str | None
    """Version of the revocation index; None if the CA has no CRL."""
    attributes: Mapping[str, str]
    """Attributes of the device's thing, from its admission."""


@dataclass(frozen=True)
class Validation:
    """Checks certificates. It changes nothing."""

    issuers: "Issuers"
    revocation: "IndexedRevocation | None"
    """Checks the CRLs; None where no CA of this deployment has one."""
    admission: "AllowList | AdmissionFunction | None"
    """Checks whether a device is expected; None where every device is."""
    needs_common_name: bool
    """Whether the device policy identifies devices by their common name."""
    ca_devices: Collection[CaCertificateId] = ()
    """CAs whose devices may present a certificate with basicConstraints CA:TRUE, by configuration."""

    def identify(self, description: "CertificateDescriptionTypeDef") -> DeviceCertificate:
        """Read the response of DescribeCertificate.

        Raises:
            PermanentError: `FOREIGN_CA`.
            RefusedError: `UNPARSABLE_CERTIFICATE`.
        """
        self.issuers.certificate(description.get("caCertificateId"))
        try:
            return DeviceCertificate.read(description)
        except MalformedCertificateError as error:
            raise RefusedError(Reason.UNPARSABLE_CERTIFICATE, str(error)) from error

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
        if self.needs_common_name:
            check_common_name(certificate)
        return Evidence(
            index_version=self.revocation.check(ca, certificate) if self.revocation else None,
            attributes=self.admission.admit(device) if self.admission else {},
        )
