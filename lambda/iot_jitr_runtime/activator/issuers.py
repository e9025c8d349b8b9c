"""The CA certificates of this deployment, read from AWS IoT once and cached in the execution environment."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.outcomes import PermanentError, Reason

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient


class Issuers:
    """Looks up a CA certificate by its id. A registered CA certificate never changes."""

    def __init__(self, iot: "IoTClient", ours: Collection[CaCertificateId]) -> None:
        self._iot = iot
        self._ours = frozenset(ours)
        self._known: dict[CaCertificateId, Certificate] = {}

    def certificate(self, ca_certificate_id: str | None) -> Certificate:
        """Return the CA certificate.

        Raises:
            PermanentError: `FOREIGN_CA`.
        """
        if ca_certificate_id not in self._ours:
            raise PermanentError(
                Reason.FOREIGN_CA,
                f"registered under CA {ca_certificate_id}, which is not one of this deployment",
            )
        ca_id = CaCertificateId(ca_certificate_id)
        if ca_id not in self._known:
            response = self._iot.describe_ca_certificate(certificateId=ca_id)
            self._known[ca_id] = Certificate.load(response["certificateDescription"]["certificatePem"])
        return self._known[ca_id]
