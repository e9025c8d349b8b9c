"""AWS IoT's list of the certificates of a CA, page by page, so that a pass can stop and go on later."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient

PAGE_SIZE = 250
"""The most that ListCertificatesByCA gives at once."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A certificate as the list has it: it knows no serial number."""

    certificate_id: CertificateId
    status: str
    created_at: datetime

    @property
    def is_pending(self) -> bool:
        """Whether it waits for a decision."""
        return self.status == "PENDING_ACTIVATION"

    @property
    def is_active(self) -> bool:
        """Whether its device may connect."""
        return self.status == "ACTIVE"


@dataclass(frozen=True, slots=True)
class Page:
    """Up to 250 certificates, and where the list goes on."""

    certificates: tuple[Listed, ...]
    next_marker: str | None
    """None on the last page."""


@dataclass(frozen=True)
class CertificateList:
    """Reads the list; botocore's errors fly.

    https://docs.aws.amazon.com/iot/latest/apireference/API_ListCertificatesByCA.html
    """

    iot: "IoTClient"

    def page(self, ca: CaCertificateId, marker: str | None, *, oldest_first: bool) -> Page:
        """Read one page.

        Args:
            ca: Whose certificates.
            marker: Where to go on; None to begin.
            oldest_first: By creation, ascending; else the newest come first.
        """
        further = {"marker": marker} if marker else {}
        response = self.iot.list_certificates_by_ca(
            caCertificateId=ca, pageSize=PAGE_SIZE, ascendingOrder=oldest_first, **further
        )
        return Page(
            tuple(
                Listed(CertificateId(found["certificateId"]), found["status"], found["creationDate"])
                for found in response["certificates"]
            ),
            response.get("nextMarker") or None,
        )
