"""AWS IoT's list of a CA's certificates, page by page, and the checks of a listed certificate."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger import Row, State
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.outcomes import PASSES_BY_ITSELF, Outcome

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient

PAGE_SIZE = 250
"""The most that ListCertificatesByCA returns at once."""
_UNDECIDED_STATES = {None, State.DEFERRED, State.ACTIVATING}
_CLOCK_SKEW = timedelta(seconds=5)


class UnknownMarkerError(JitrError):
    """AWS IoT does not accept the marker of a page any more."""


@dataclass(frozen=True, slots=True)
class CertificateSummary:
    """A certificate as the list contains it: without its serial number."""

    certificate_id: CertificateId
    status: str
    created_at: datetime

    @property
    def is_pending(self) -> bool:
        """Whether its status is PENDING_ACTIVATION."""
        return self.status == "PENDING_ACTIVATION"

    @property
    def is_active(self) -> bool:
        """Whether its device may connect."""
        return self.status == "ACTIVE"


@dataclass(frozen=True, slots=True)
class CertificatePage:
    """Up to 250 certificates, and where the list continues."""

    certificates: tuple[CertificateSummary, ...]
    next_marker: str | None
    """None on the last page."""


@dataclass(frozen=True)
class CertificateList:
    """Reads the list; botocore's errors propagate.

    https://docs.aws.amazon.com/iot/latest/apireference/API_ListCertificatesByCA.html
    """

    iot: "IoTClient"

    def page(self, ca: CaCertificateId, marker: str | None, *, oldest_first: bool) -> CertificatePage:
        """Read one page.

        Args:
            ca: The CA whose certificates are listed.
            marker: Where to continue; None for the first page.
            oldest_first: Whether to list by creation date ascending; else the newest come first.

        Raises:
            UnknownMarkerError: AWS IoT does not accept the marker any more: begin again.
        """
        further = {"marker": marker} if marker else {}
        try:
            response = self.iot.list_certificates_by_ca(
                caCertificateId=ca, pageSize=PAGE_SIZE, ascendingOrder=oldest_first, **further
            )
        except self.iot.exceptions.InvalidRequestException as error:
            if marker is None:
                raise
            raise UnknownMarkerError(
                f"AWS IoT does not accept the marker of CA {ca}'s list any more"
            ) from error
        return CertificatePage(
            tuple(
                CertificateSummary(
                    CertificateId(found["certificateId"]), found["status"], found["creationDate"]
                )
                for found in response["certificates"]
            ),
            response.get("nextMarker") or None,
        )


def is_undecided(certificate: CertificateSummary, row: Row, now: datetime, pending_after: timedelta) -> bool:
    """Whether a certificate has been pending for too long and no worker or message is about to decide it.

    A decision about an earlier registration does not count: the certificate was deleted since, and registered
    again.

    Args:
        certificate: The certificate in AWS IoT's list.
        row: Its row in the ledger; an empty one if there is none.
        now: This moment.
        pending_after: How long a certificate may be pending before its event counts as lost.
    """
    if not certificate.is_pending or now - certificate.created_at < pending_after:
        return False
    if row.state in _UNDECIDED_STATES or (row.reason and row.reason.outcome is Outcome.DEFERRED):
        # Until the later of these times, a worker holds the claim, or a message is delivered again.
        busy_until = max(row.valid_until, row.lease_expires_at)
        return milliseconds(now - pending_after) > busy_until
    return row.decided_at < milliseconds(certificate.created_at - _CLOCK_SKEW)


def waits_too_long(
    certificate: CertificateSummary, row: Row, now: datetime, pending_after: timedelta
) -> bool:
    """Whether a certificate has been pending for too long, and not just for its slot of the rate limiter.

    Either no worker or message is about to decide it, or its deferral lasts until an operator acts.

    Args:
        certificate: The certificate in AWS IoT's list.
        row: Its row in the ledger; an empty one if there is none.
        now: This moment.
        pending_after: How long a certificate may be pending.
    """
    if not certificate.is_pending or now - certificate.created_at < pending_after:
        return False
    blocked = row.reason and row.reason.outcome is Outcome.DEFERRED and row.reason not in PASSES_BY_ITSELF
    return bool(blocked) or is_undecided(certificate, row, now, pending_after)
