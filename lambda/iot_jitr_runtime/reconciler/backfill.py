"""Backfill: adding certificates to the ledger that this pipeline did not decide about.

The ledger then has their serial numbers, so that the sweep can revoke them.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Attr

from iot_jitr_runtime.certificates import Certificate, MalformedCertificateError
from iot_jitr_runtime.device_certificate import describe
from iot_jitr_runtime.dynamodb import ConditionFailedError, Update
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger import TTL_ATTRIBUTE, Identity, Ledger, State
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.outcomes import DeferredError, Reason, RefusedError
from iot_jitr_runtime.sweep.state import SweepStates

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient

    from iot_jitr_runtime.revocation.checker import IndexedRevocation


class Backfilled(StrEnum):
    """The result for a certificate that the ledger did not have."""

    KNOWN = "known"
    """Added with its serial number."""
    LISTED = "listed"
    """Added, ACTIVE, and on its CA's CRL: a rescan was requested of the sweep."""
    UNCHECKED = "unchecked"
    """Not added: its CRL is not usable. The next pass tries again."""
    UNREADABLE = "unreadable"
    """It is not a well-formed certificate, so it has no serial number."""
    GONE = "gone"
    """Deleted meanwhile."""
    FAILED = "failed"
    """An AWS call failed. The next full pass tries again."""


@dataclass(frozen=True)
class Backfill:
    """Adds certificates to the ledger, with one AWS IoT call each."""

    iot: "IoTClient"
    ledger: Ledger
    revocation: "IndexedRevocation | None"
    """Checks the CRLs; None where no CA of this deployment has one."""
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def add(self, ca: CaCertificateId, certificate_id: CertificateId) -> Backfilled:
        """Add one certificate of `ca`; botocore's errors propagate."""
        description = describe(self.iot, certificate_id)
        if description is None:
            return Backfilled.GONE
        try:
            certificate = Certificate.load(description["certificatePem"])
        except MalformedCertificateError:
            return Backfilled.UNREADABLE
        active = description["status"] == "ACTIVE"
        result = self._check(ca, certificate)
        if result is Backfilled.LISTED:
            if active:
                # Requested before the certificate is added: no later pass reads it again.
                SweepStates(self.ledger.items).request_rescan(ca, now=milliseconds(self.clock()))
            else:
                result = Backfilled.KNOWN
        if result in {Backfilled.LISTED, Backfilled.KNOWN}:
            identity = Identity(ca, certificate.serial_number, next(iter(certificate.common_names), None))
            self.record(certificate_id, identity, active=active)
        return result

    def _check(self, ca: CaCertificateId, certificate: Certificate) -> Backfilled:
        """Check before it is added: if a newer index appears meanwhile, its sweep covers rows added late."""
        if self.revocation is None:
            return Backfilled.KNOWN
        try:
            self.revocation.check(ca, certificate)
        except DeferredError:
            return Backfilled.UNCHECKED
        except RefusedError as refused:
            listed = refused.reason in {Reason.REVOKED, Reason.ON_HOLD}
            return Backfilled.LISTED if listed else Backfilled.UNREADABLE
        return Backfilled.KNOWN

    def record(self, certificate_id: CertificateId, identity: Identity, *, active: bool) -> None:
        """Write a certificate's row, if its serial number is not in it yet.

        An active certificate counts as a device in service from now on. A row without a serial number, for
        example of a refusal before the certificate was read, keeps its state.
        """
        update = Update(
            certificate_id,
            {**identity.attributes(), TTL_ATTRIBUTE: None},
            {"state": State.KNOWN, "decidedAt": milliseconds(self.clock())},
            condition=Attr("serialNumber").not_exists(),
        )
        with suppress(ConditionFailedError):
            if active:
                self.ledger.fleet.write(update, identity.ca_certificate_id, joins=True)
            else:
                self.ledger.items.update(update)
