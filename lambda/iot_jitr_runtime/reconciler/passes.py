"""The two passes through AWS IoT's list of a CA's certificates.

*Newest first*, down to where the last one began: cheap, for what got lost lately. *Full*, oldest first: slow,
for what was there before this pipeline, or got lost in a way nobody thought of. Both stop when their time is
up and go on at the next invocation.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.ledger import Ledger, Row, State
from iot_jitr_runtime.rate_limiter import NoSlotError, RateLimiter
from iot_jitr_runtime.reconciler.bookmarks import Bookmark, Bookmarks, PassKind
from iot_jitr_runtime.reconciler.inventory import Entered, Inventory
from iot_jitr_runtime.reconciler.listing import CertificateList, Listed, Page
from iot_jitr_runtime.reconciler.requeue import ActivationQueue
from iot_jitr_runtime.reconciler.undecided import is_undecided, is_unknown

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient

OVERLAP = timedelta(hours=1)
"""How far a newest-first pass looks behind the beginning of the one before it."""
FIRST_LOOK_BACK = timedelta(days=1)
"""How far the very first newest-first pass looks back; the full pass sees the rest."""
_COUNTED = {State.ACTIVATED, State.KNOWN, State.REFUSED}
"""States in which only somebody else changes a certificate's status. In the others, the list may be older
than what this pipeline has just done."""


@dataclass
class Tally:
    """What a pass saw and did, for logs and metrics."""

    seen: int = 0
    pending: int = 0
    requeued: int = 0
    oldest_undecided: timedelta = timedelta(0)
    """How long the oldest certificate without a decision has been pending."""
    entered: Counter[Entered] = field(default_factory=Counter)
    ended: bool = False
    """Whether the pass came to its end; else it goes on next time."""


@dataclass(frozen=True)
class Passes:
    """Runs passes for one CA after the other. botocore's errors fly; the bookmark is where it stood."""

    iot: "IoTClient"
    listing: CertificateList
    ledger: Ledger
    queue: ActivationQueue
    inventory: Inventory
    bookmarks: Bookmarks
    rate_limiter: RateLimiter
    pending_after: timedelta
    """How long a certificate may be pending before its event counts as lost."""
    full_pass_every: timedelta
    """A full pass begins this long after the beginning of the one before it."""
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def newest(self, ca: CaCertificateId, *, stop_at: datetime) -> Tally:
        """Go through what was registered since the last such pass, until `stop_at` at the latest."""
        bookmark = self.bookmarks.read(ca, PassKind.NEWEST).begin(self.clock())
        former = bookmark.former_begun_at
        down_to = self.clock() - FIRST_LOOK_BACK if former is None else former - self.pending_after - OVERLAP
        return self._run(bookmark, down_to, stop_at)

    def full(self, ca: CaCertificateId, *, stop_at: datetime) -> Tally | None:
        """Go on with the full pass, or begin one if it is time; None if it is not."""
        bookmark = self.bookmarks.read(ca, PassKind.FULL)
        former = bookmark.former_begun_at
        if bookmark.begun_at is None and former and self.clock() - former < self.full_pass_every:
            return None
        return self._run(bookmark.begin(self.clock()), None, stop_at)

    def _run(self, bookmark: Bookmark, down_to: datetime | None, stop_at: datetime) -> Tally:
        tally = Tally()
        while True:
            try:
                page = self._page(bookmark, stop_at)
            except NoSlotError:
                break
            if page is None:
                bookmark = bookmark.restarted()
                continue
            if not self._compare(bookmark.ca, page, tally, stop_at):
                break
            reached = down_to is not None and any(c.created_at < down_to for c in page.certificates)
            if page.next_marker is None or reached:
                self._end(bookmark, tally)
                return tally
            bookmark = bookmark.at(page.next_marker)
            self.bookmarks.write(bookmark)
        self.bookmarks.write(bookmark)
        return tally

    def _end(self, bookmark: Bookmark, tally: Tally) -> None:
        tally.ended = True
        ended = bookmark.ended()
        if tally.entered[Entered.UNCHECKED]:
            # What could not be checked is looked at again: the next pass goes down as far as this one.
            ended = Bookmark(bookmark.ca, bookmark.kind, former_begun_at=bookmark.former_begun_at)
        self.bookmarks.write(ended)

    def _page(self, bookmark: Bookmark, stop_at: datetime) -> Page | None:
        """Read the next page; None if AWS IoT does not know the marker any more."""
        self.rate_limiter.wait_for_background_slot(until=stop_at)
        oldest_first = bookmark.kind is PassKind.FULL
        try:
            return self.listing.page(bookmark.ca, bookmark.marker, oldest_first=oldest_first)
        except self.iot.exceptions.InvalidRequestException:
            if bookmark.marker is None:
                raise
            return None

    def _compare(self, ca: CaCertificateId, page: Page, tally: Tally, stop_at: datetime) -> bool:
        """Compare a page with the ledger; say whether all of it was dealt with."""
        rows = self.ledger.rows(listed.certificate_id for listed in page.certificates)
        now = self.clock()
        undecided, unknown = [], []
        for listed in page.certificates:
            row = rows.get(listed.certificate_id) or Row(listed.certificate_id)
            if is_undecided(listed, row, now, self.pending_after):
                undecided.append(listed)
            elif is_unknown(listed, row):
                unknown.append(listed)
            elif row.state in _COUNTED and not listed.is_pending and row.in_fleet is not listed.is_active:
                # Somebody has deactivated it, or has activated it again.
                self.ledger.fleet.correct(listed.certificate_id, active=listed.is_active)
        tally.seen += len(page.certificates)
        tally.pending += sum(listed.is_pending for listed in page.certificates)
        tally.requeued += self.queue.send(ca, [listed.certificate_id for listed in undecided])
        ages = [now - listed.created_at for listed in undecided]
        tally.oldest_undecided = max([tally.oldest_undecided, *ages])
        return all(self._enter(ca, listed, tally, stop_at) for listed in unknown)

    def _enter(self, ca: CaCertificateId, listed: Listed, tally: Tally, stop_at: datetime) -> bool:
        """Enter one certificate; say whether there was time for it before `stop_at`."""
        try:
            tally.entered[self.inventory.enter(ca, listed, until=stop_at)] += 1
        except NoSlotError:
            return False
        return True
