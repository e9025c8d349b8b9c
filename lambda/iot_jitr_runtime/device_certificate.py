"""A device certificate as AWS IoT describes it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger.rows import Identity

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient
    from mypy_boto3_iot.type_defs import CertificateDescriptionTypeDef


def describe(iot: "IoTClient", certificate_id: CertificateId) -> "CertificateDescriptionTypeDef | None":
    """Return AWS IoT's description of a certificate; None if AWS IoT has no such certificate.

    botocore's other errors propagate.
    """
    try:
        return iot.describe_certificate(certificateId=certificate_id)["certificateDescription"]
    except iot.exceptions.ResourceNotFoundException:
        return None


@dataclass(frozen=True)
class DeviceCertificate:
    """A device certificate that is registered at AWS IoT."""

    certificate_id: CertificateId
    certificate_arn: str
    ca_certificate_id: CaCertificateId
    """Empty where it was registered without a CA."""
    certificate: Certificate

    @classmethod
    def read(cls, description: "CertificateDescriptionTypeDef") -> "DeviceCertificate":
        """Read the response of DescribeCertificate.

        Raises:
            MalformedCertificateError: It is not one well-formed X.509 certificate.
        """
        return cls(
            certificate_id=CertificateId(description["certificateId"]),
            certificate_arn=description["certificateArn"],
            ca_certificate_id=CaCertificateId(description.get("caCertificateId", "")),
            certificate=Certificate.load(description["certificatePem"]),
        )

    @property
    def identity(self) -> Identity:
        """The fields that the ledger stores."""
        certificate = self.certificate
        return Identity(
            self.ca_certificate_id, certificate.serial_number, next(iter(certificate.common_names), None)
        )
