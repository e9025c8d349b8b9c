"""Entering certificates that somebody else registered or activated, so that they can be revoked by serial."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from iot_jitr_runtime.activator.interfaces import RevocationCheck
from iot_jitr_runtime.certificates import Certificate, MalformedCertificateError
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.ledger import Identity
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.outcomes import DeferredError, Reason, RefusedError
from iot_jitr_runtime.rate_limiter import RateLimiter
from iot_jitr_runtime.reconciler.entries import LedgerEntries
from iot_jitr_runtime.reconciler.listing import Listed

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient


class Sweep(Protocol):
    """Who puts out certificates in use that are on their CA's CRL: `sweep.state.SweepStates`."""

    def request_rescan(self, ca: CaCertificateId, *, now: int) -> None:
        """Request a pass over everything on the CA's list; botocore's errors propagate."""


class Entered(StrEnum):
    """What became of a certificate that the ledger did not know."""

    KNOWN = "known"
    """Entered with its serial number."""
    LISTED = "listed"
    """Entered, in use, and on its CA's CRL: the sweep was asked to look for it."""
    UNCHECKED = "unchecked"
    """Not entered: its CRL could not be asked. The next pass tries again."""
    UNREADABLE = "unreadable"
    """It is no well-formed certificate, so it has no serial number to be found by."""
    GONE = "gone"
    """Deleted meanwhile."""


@dataclass(frozen=True)
class Inventory:
    """Enters certificates into the ledger. One AWS IoT call and one slot each."""

    iot: "IoTClient"
    entries: LedgerEntries
    rate_limiter: RateLimiter
    revocation: RevocationCheck
    sweep: Sweep
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def enter(self, ca: CaCertificateId, listed: Listed, *, until: datetime) -> Entered:
        """Enter one certificate of `ca`; botocore's errors propagate.

        Raises:
            NoSlotError: There is no time for it until `until`.
        """
        self.rate_limiter.wait_for_background_slot(until=until)
        try:
            described = self.iot.describe_certificate(certificateId=listed.certificate_id)
        except self.iot.exceptions.ResourceNotFoundException:
            return Entered.GONE
        try:
            certificate = Certificate.load(described["certificateDescription"]["certificatePem"])
        except MalformedCertificateError:
            return Entered.UNREADABLE
        identity = Identity(ca, certificate.serial_number, next(iter(certificate.common_names), None))
        active = described["certificateDescription"]["status"] == "ACTIVE"
        try:
            # Before it is entered: should a newer index appear meanwhile, its sweep looks for late entries.
            self.revocation.check(ca, certificate)
        except DeferredError:
            return Entered.UNCHECKED
        except RefusedError as refused:
            if refused.reason not in {Reason.REVOKED, Reason.ON_HOLD}:
                return Entered.UNREADABLE
            entered = self._ask(ca, active=active)
        else:
            entered = Entered.KNOWN
        now = milliseconds(self.clock())
        self.entries.enter_known(listed.certificate_id, identity, active=active, now=now)
        return entered

    def _ask(self, ca: CaCertificateId, *, active: bool) -> Entered:
        """Ask to have a certificate on the list put out, before it is entered: no later pass looks at it."""
        if not active:
            return Entered.KNOWN
        self.sweep.request_rescan(ca, now=milliseconds(self.clock()))
        return Entered.LISTED
