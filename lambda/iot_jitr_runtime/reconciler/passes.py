"""The two passes through AWS IoT's list of a CA's certificates.

*Newest first*, back to the start time of the previous pass: fast, for events that were lost recently. *Full*,
oldest first: slow, for certificates from before this pipeline, and for all other lost events. Both go page by
page until their deadline and continue at their cursor in the next run.
"""

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from iot_jitr_runtime.aws_errors import AwsError
from iot_jitr_runtime.deadline import Deadline
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger import Ledger, Row, State
from iot_jitr_runtime.ledger.lease import Lease
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.rate_limiter import NoSlotError, RateLimiter
from iot_jitr_runtime.reconciler.backfill import Backfill, Backfilled
from iot_jitr_runtime.reconciler.listing import (
    CertificateList,
    CertificatePage,
    CertificateSummary,
    UnknownMarkerError,
    is_undecided,
    waits_too_long,
)
from iot_jitr_runtime.reconciler.requeue import ActivationQueue

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

OVERLAP = timedelta(hours=1)
"""A newest-first pass also covers this much time before the start of the previous pass."""
FAILURES_AT_MOST = 20
"""Certificates that may fail in one run of a pass. With one more, the run ends; the next run repeats the
page."""
FIRST_LOOK_BACK = timedelta(days=1)
"""The very first newest-first pass covers this much time; the full pass reads the rest."""
_COUNTED = {State.ACTIVATED, State.KNOWN, State.REFUSED}
"""States in which only another caller changes a certificate's status. In all other states, the list may be
older than this pipeline's last change."""


class PassKind(StrEnum):
    """Which pass."""

    NEWEST = "newest"
    """Newest first, back to the start time of the previous pass."""
    FULL = "full"
    """Everything, oldest first."""


@dataclass
class Cursor:
    """The position of one kind of pass in one CA's certificates."""

    begun_at: int | None = None
    """When the unfinished pass began, in milliseconds since the epoch; None between two passes."""
    marker: str | None = None
    """Where it continues; None at its first page."""
    incomplete: bool = False
    """Whether the unfinished pass could not check a certificate against its CRL."""
    previous_begun_at: int | None = None
    """The start time of the last complete pass, which has read all certificates created before it."""


@dataclass
class PassStatistics:
    """The statistics of one run of a pass."""

    seen: int = 0
    pending: int = 0
    requeued: int = 0
    oldest_undecided: timedelta = timedelta(0)
    """How long the oldest certificate without a decision has been pending."""
    backfilled: Counter[Backfilled] = field(default_factory=Counter)
    ended: bool = False
    """Whether the pass is finished; else the next run continues it."""


@dataclass(frozen=True)
class Passes:
    """Runs passes through the certificates of any CA; errors of list, ledger and queue propagate."""

    listing: CertificateList
    ledger: Ledger
    queue: ActivationQueue
    backfill: Backfill
    rate_limiter: RateLimiter
    logger: "Logger"
    pending_after: timedelta
    """How long a certificate may be pending before its event counts as lost."""
    full_pass_every: timedelta
    """A full pass begins this long after the beginning of the previous one."""

    def run(
        self, ca: CaCertificateId, kind: PassKind, lease: Lease, deadline: Deadline
    ) -> PassStatistics | None:
        """Continue a pass until the deadline, or begin the next one; None if a full pass is not due.

        The cursor is an attribute of the leased item.

        Raises:
            LeaseLostError: Another run of the reconciler has the lease now.
        """
        attribute = f"{kind}/{ca}"
        cursor = Cursor(**json.loads(lease.item.get(attribute, "{}")))
        now = deadline.clock()
        down_to = None
        if kind is PassKind.NEWEST:
            down_to = self._down_to(cursor, now)
        elif cursor.begun_at is None and not self._is_due(cursor, now):
            return None
        if cursor.begun_at is None:
            cursor.begun_at = milliseconds(now)
        statistics = PassStatistics()
        while not statistics.ended:
            try:
                self.rate_limiter.wait_for_background_slot(until=deadline.at)
                page = self.listing.page(ca, cursor.marker, oldest_first=kind is PassKind.FULL)
                self._compare(ca, page, statistics, deadline)
                self.ledger.publish_events(deadline.at)
            except UnknownMarkerError:
                cursor.marker = None
                continue
            except NoSlotError:
                # The deadline has passed: the next run repeats this page. The ledger has the completed part.
                lease.update({attribute: json.dumps(asdict(cursor))})
                break
            cursor.marker = page.next_marker
            cursor.incomplete |= statistics.backfilled[Backfilled.UNCHECKED] > 0
            reached = down_to is not None and any(each.created_at < down_to for each in page.certificates)
            if page.next_marker is None or reached:
                statistics.ended = True
                # After an incomplete pass the next one covers the same period, so that it checks those
                # certificates again.
                previous = cursor.previous_begun_at if cursor.incomplete else cursor.begun_at
                cursor = Cursor(previous_begun_at=previous)
            lease.update({attribute: json.dumps(asdict(cursor))})
        return statistics

    def _down_to(self, cursor: Cursor, now: datetime) -> datetime:
        """Return the creation time down to which a newest-first pass reads the list."""
        if cursor.previous_begun_at is None:
            return now - FIRST_LOOK_BACK
        return datetime.fromtimestamp(cursor.previous_begun_at / 1000, UTC) - self.pending_after - OVERLAP

    def _is_due(self, cursor: Cursor, now: datetime) -> bool:
        due_at = (cursor.previous_begun_at or 0) + self.full_pass_every // timedelta(milliseconds=1)
        return milliseconds(now) >= due_at

    def _compare(
        self, ca: CaCertificateId, page: CertificatePage, statistics: PassStatistics, deadline: Deadline
    ) -> None:
        """Compare a page with the ledger: queue what is undecided, backfill what has no serial number."""
        rows = self.ledger.rows(listed.certificate_id for listed in page.certificates)
        now = deadline.clock()
        undecided: list[CertificateSummary] = []
        to_backfill: list[CertificateId] = []
        for listed in page.certificates:
            row = rows.get(listed.certificate_id) or Row(listed.certificate_id)
            if self.ledger.outbox and waits_too_long(listed, row, now, self.pending_after):
                self.ledger.outbox.record_waiting(ca, row, since=listed.created_at)
            if listed.is_pending:
                if is_undecided(listed, row, now, self.pending_after):
                    undecided.append(listed)
            elif row.serial_number is None:
                to_backfill.append(listed.certificate_id)
            elif row.state in _COUNTED and row.in_fleet is not listed.is_active:
                # Another caller has deactivated it, or has activated it again.
                self.ledger.fleet.correct(listed.certificate_id, active=listed.is_active)
        statistics.seen += len(page.certificates)
        statistics.pending += sum(listed.is_pending for listed in page.certificates)
        statistics.requeued += self.queue.send(ca, [listed.certificate_id for listed in undecided])
        ages = [now - listed.created_at for listed in undecided]
        statistics.oldest_undecided = max([statistics.oldest_undecided, *ages])
        for certificate_id in to_backfill:
            try:
                self.rate_limiter.wait_for_background_slot(until=deadline.at)
                result = self.backfill.add(ca, certificate_id)
            except AwsError as error:
                # A single failure affects only its certificate; many failures have a common cause.
                if statistics.backfilled[Backfilled.FAILED] >= FAILURES_AT_MOST:
                    raise
                result = Backfilled.FAILED
                facts = {"ca_certificate_id": ca, "certificate_id": certificate_id}
                self.logger.exception("backfill_failed", extra={**facts, "detail": str(error)})
            statistics.backfilled[result] += 1
