"""Whom a new index concerns: the registered certificates whose serial number, or its reason, is new in it."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId, serial_number
from iot_jitr_runtime.ledger import Row, State
from iot_jitr_runtime.ledger.revocations import RevocationLedger
from iot_jitr_runtime.revocation.index import Index, Revoked
from iot_jitr_runtime.revocation.reasons import RevocationReason

_FEW = 100
_READ_BY_SCANNING = 50
"""Rows that a scan reads in the time of one look-up by serial number."""


@dataclass(frozen=True, slots=True)
class Target:
    """A registered certificate that is on the CRL, and has not been dealt with for that reason."""

    row: Row
    reason: RevocationReason

    @property
    def certificate_id(self) -> CertificateId:
        """The certificate."""
        return self.row.certificate_id

    @property
    def serial(self) -> int:
        """Its serial number."""
        return int(self.row.serial_number or "0", 16)

    @property
    def in_service(self) -> bool:
        """Whether it counts as a device in service, as in `Fleet.size`."""
        return self.row.in_fleet


@dataclass(frozen=True)
class Targets:
    """Finds targets in the ledger; botocore's errors fly."""

    ledger: RevocationLedger

    def find(self, ca: CaCertificateId, new: Index, former: Index | None) -> list[Target]:
        """Return whom `new` concerns and `former` did not, or not for that reason.

        A serial number that no registered certificate has is nobody's: it will not be activated later.

        Raises:
            DamagedIndexError: One of the indexes is damaged.
        """
        few = max(_FEW, self.ledger.fleet.size(ca) // _READ_BY_SCANNING)
        entries = list(islice(new.newly_revoked(former), few + 1))
        found = self._by_serial(ca, entries) if len(entries) <= few else self._by_scanning(ca, new, former)
        return [target for target in found if not _is_done(target)]

    def _by_serial(self, ca: CaCertificateId, entries: Iterable[Revoked]) -> list[Target]:
        reasons: dict[int, RevocationReason] = {}
        for entry in entries:
            # A serial on several CRLs: a hold gives way to any other reason.
            if reasons.get(entry.serial) in (None, RevocationReason.CERTIFICATE_HOLD):
                reasons[entry.serial] = entry.reason
        wanted = {
            certificate_id: reason
            for serial, reason in reasons.items()
            for certificate_id in self.ledger.find(ca, serial_number(serial))
        }
        rows = self.ledger.rows(wanted)
        return [Target(row, wanted[row.certificate_id]) for row in rows.values()]

    def _by_scanning(self, ca: CaCertificateId, new: Index, former: Index | None) -> list[Target]:
        found = []
        for row in self.ledger.all_of(ca):
            serial = int(row.serial_number or "0", 16)
            reason = new.reason(serial)
            if reason is not None and (former is None or former.reason(serial) is not reason):
                found.append(Target(row, reason))
        return found


def _is_done(target: Target) -> bool:
    if target.row.state is State.REVOKED:
        return True
    # While a claim is on it, it is only about to be suspended.
    suspended = target.row.state is State.SUSPENDED and not target.row.claim_expires_at
    return suspended and target.reason is RevocationReason.CERTIFICATE_HOLD
