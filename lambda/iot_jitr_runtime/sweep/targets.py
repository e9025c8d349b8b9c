"""The certificates that an index lists, page by page; how many may be revoked without a confirmation."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId, SerialNumber, serial_number
from iot_jitr_runtime.ledger import Row, State
from iot_jitr_runtime.ledger.revocations import RevocationLedger
from iot_jitr_runtime.revocation.index import DamagedIndexError, Index
from iot_jitr_runtime.revocation.model import RevocationReason
from iot_jitr_runtime.revocation.store import IndexMissingError, IndexStore
from iot_jitr_runtime.sweep.state import IndexRef, Pass, Phase

LOOK_UPS_A_PAGE = 100
"""Serial numbers on one page; one BatchGetItem call usually reads their certificates."""
ROWS_A_LOOK_UP = 50
"""The number of rows that are scanned in the time of one look-up by serial number."""


@dataclass(frozen=True, slots=True)
class MassRevocationLimit:
    """How many devices of a CA one CRL may revoke or suspend without an operator's confirmation."""

    share: float
    """Share of the devices in service, more than 0 and at most 1. At 1 there is no limit."""
    minimum: int
    """Number of devices; fewer than this are always allowed."""

    def allows(self, devices: int, fleet: int) -> bool:
        """Whether this number of devices of a fleet may be revoked without a confirmation."""
        return devices < self.minimum or devices <= self.share * fleet or self.share >= 1


@dataclass(frozen=True, slots=True)
class Target:
    """A certificate of the ledger that is on the CRL."""

    row: Row
    reason: RevocationReason

    @property
    def certificate_id(self) -> CertificateId:
        """The certificate."""
        return self.row.certificate_id

    @property
    def is_done(self) -> bool:
        """Whether it has been processed."""
        if self.row.state is State.REVOKED:
            return True
        # If the row is claimed, the suspension may not be complete yet.
        suspended = self.row.state is State.SUSPENDED and not self.row.lease_expires_at
        return suspended and self.reason is RevocationReason.CERTIFICATE_HOLD


@dataclass(frozen=True, slots=True)
class TargetPage:
    """Some of the targets."""

    targets: list[Target]
    """The targets that have not been processed."""
    cursor: str | None
    """The key after which the next page begins; None: this is the last page."""


@dataclass(frozen=True)
class Targets:
    """The targets of one pass: entries of `index` that `former` does not have, or has with another reason.

    Only a certificate that the index in force still lists is a target, with the reason in that index:
    `REVOKED` is final, so the CA's latest CRL decides. A serial number without a certificate in the ledger
    needs no action: such a certificate will not be activated later.
    """

    ledger: RevocationLedger
    ca: CaCertificateId
    index: Index
    former: Index | None
    in_force: Index

    def plan(self, begun: Pass, limit: MassRevocationLimit, *, confirmed: bool) -> Pass:
        """Choose how a pass finds its targets, and whether it must count them before it revokes any.

        A count is not necessary if an operator has confirmed the index, or if the limit allows one device for
        each new serial number.

        Raises:
            DamagedIndexError: One of the indexes is damaged.
            DeferredError: `THROTTLED`: the ledger could not be read.
        """
        fleet = self.ledger.fleet.size(self.ca)
        few = max(LOOK_UPS_A_PAGE, self.ledger.row_count() // ROWS_A_LOOK_UP)
        at_most = max(few, limit.minimum, int(limit.share * fleet)) + 1
        with closing(self._new_serials("")) as serials:
            new = sum(1 for _ in islice(serials, at_most))
        counting = not (begun.dry_run or confirmed or limit.allows(new, fleet))
        phase = Phase.COUNTING if counting else Phase.REVOKING
        return replace(begun, scanning=new > few, phase=phase)

    def has_withdrawn(self) -> bool:
        """Whether the index in force lacks an entry that `index` has. The CA may list it again later.

        Raises:
            DamagedIndexError: One of the indexes is damaged.
        """
        with closing(self.index.newly_revoked(self.in_force)) as entries:
            return next(entries, None) is not None

    def page(self, cursor: str, *, scanning: bool) -> TargetPage:
        """Read the next page of targets; botocore's errors propagate.

        Args:
            cursor: After which it begins; empty at the start.
            scanning: Read the next rows of the ledger, and not look up the next new serial numbers. Both ways
                find the same targets.

        Raises:
            DamagedIndexError: One of the indexes is damaged.
        """
        page = self._by_scanning(cursor) if scanning else self._by_serial(cursor)
        return TargetPage([target for target in page.targets if not target.is_done], page.cursor)

    def _by_serial(self, cursor: str) -> TargetPage:
        with closing(self._new_serials(cursor)) as serials:
            page = list(islice(serials, LOOK_UPS_A_PAGE))
        found = {
            certificate_id: reason
            for serial in page
            if (reason := self.in_force.reason(serial)) is not None
            for certificate_id in self.ledger.find(self.ca, serial_number(serial))
        }
        targets = [Target(row, found[row.certificate_id]) for row in self.ledger.rows(found).values()]
        cursor_after = serial_number(page[-1]) if len(page) == LOOK_UPS_A_PAGE else None
        return TargetPage(targets, cursor_after)

    def _by_scanning(self, cursor: str) -> TargetPage:
        reasons: dict[SerialNumber, RevocationReason] = {}

        def is_new(serial: SerialNumber) -> bool:
            number = int(serial, 16)
            reason = self.index.reason(number)
            if reason is None or (self.former and self.former.reason(number) is reason):
                return False
            if (latest := self.in_force.reason(number)) is not None:
                reasons[serial] = latest
            return latest is not None

        rows, cursor_after = self.ledger.scan(self.ca, cursor, is_new)
        targets = [Target(row, reasons[row.serial_number]) for row in rows if row.serial_number]
        return TargetPage(targets, cursor_after)

    def _new_serials(self, cursor: str) -> Generator[int]:
        last = int(cursor, 16) if cursor else None
        for serial, _ in self.index.newly_revoked(self.former, after=last):
            # A serial number may be on several CRLs.
            if serial != last:
                yield serial
            last = serial


@dataclass(frozen=True)
class Indexes:
    """The indexes that a pass compares, each downloaded once."""

    store: IndexStore
    ledger: RevocationLedger
    ca: CaCertificateId
    in_force: IndexRef
    folder: Path
    """Where they are downloaded to."""

    @contextmanager
    def targets(self, current: Pass) -> Iterator[Targets]:
        """Open the indexes of a pass.

        Raises:
            IndexMissingError: The bucket does not have one of them any more, or the former one is damaged.
            DamagedIndexError: One of the others is damaged.
        """
        with ExitStack() as stack:
            newest = index = stack.enter_context(self._opened(self.in_force))
            if current.index.version != self.in_force.version:
                index = stack.enter_context(self._opened(current.index))
            former = None
            if current.former:
                try:
                    former = stack.enter_context(self._opened(current.former))
                except DamagedIndexError as error:
                    raise IndexMissingError(str(error)) from error
            yield Targets(self.ledger, self.ca, index, former, newest)

    def lifted(self, suspended: Sequence[CertificateId]) -> list[CertificateId]:
        """Return the suspended certificates to release; a certificate that is revoked now is not included.

        Raises:
            DamagedIndexError: The index in force is damaged.
            DeferredError: `THROTTLED`: the ledger could not be read.
        """
        with self._opened(self.in_force) as index:
            return [
                row.certificate_id
                for row in self.ledger.rows(suspended).values()
                if row.state is not State.SUSPENDED or index.reason(int(row.serial_number or "0", 16)) is None
            ]

    @contextmanager
    def _opened(self, ref: IndexRef) -> Iterator[Index]:
        path = self.folder / f"{ref.version}.sqlite"
        if not path.exists():
            self.store.download(self.ca, path, version_id=ref.version_id)
        with closing(Index.open(path)) as index:
            yield index
