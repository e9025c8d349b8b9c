"""One run of the sweep over one CA: a part of a pass, and the release of holds that were lifted.

A pass processes, page by page, the entries that the index in force lists and the settled index does not. Its
cursor is saved after each page, so the next run continues a run that stopped or was interrupted; certificates
that are done are recorded in the ledger and are skipped. `docs/architecture.md` has the functions in order:
"The walk of one CRL".
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from iot_jitr_runtime.aws_errors import AwsError, deferral
from iot_jitr_runtime.deadline import Deadline
from iot_jitr_runtime.dynamodb import ConditionFailedError
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger import CLAIM_MARGIN
from iot_jitr_runtime.ledger.lease import Lease
from iot_jitr_runtime.ledger.revocations import RevocationLedger
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.outcomes import DeferredError, Verdict
from iot_jitr_runtime.rate_limiter import NoSlotError, RateLimiter
from iot_jitr_runtime.revocation.store import IndexMissingError, IndexStore
from iot_jitr_runtime.sweep.enforce import Enforcement, ReleaseResult, RevocationResult
from iot_jitr_runtime.sweep.state import IndexRef, Pass, Phase, SweepState, SweepStates
from iot_jitr_runtime.sweep.targets import Indexes, MassRevocationLimit, Target, TargetPage

DEFERRED = "deferred"
DRY_RUN = "dry_run"
LIMIT_TRIPPED = "mass_revocation_limit_tripped"
"""Messages of the log, beside the results of `enforce`."""

TIME_FOR_ONE = timedelta(seconds=15)
"""A page or a certificate is started only if this much time remains."""
CHECKED_AT_MOST = 200
"""The maximum number of devices whose status is read while counting: one run can read them at 1 a second."""
WAIT_FOR_STATUS = timedelta(seconds=2)
"""How long the reading of a status waits for the rate limiter while counting. While many devices wait for
their slots, the ledger's count is used: if a page waited for each status, its count would never be
complete."""
NAMED_IN_A_LINE = 100
"""Certificates that one line of a dry run's report names."""
PASS_SHARE = 0.8
"""Share of a run's time for the pass; the rest is for releases, which must not wait for the end of a long
pass."""

T = TypeVar("T")


@dataclass(frozen=True)
class Sweep:
    """Sweeps any CA."""

    store: IndexStore
    ledger: RevocationLedger
    enforcement: Enforcement
    rate_limiter: RateLimiter
    report: Callable[..., None]
    """Called with a level ("info", "warning", "error"), a message, the CA, and facts by name."""
    settle: timedelta
    """The settle time: for so long after the publication of an index, an activator may use an older one, and
    a new row may be missing in a query of the ledger."""
    limit: MassRevocationLimit
    dry_run: bool
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def run(self, ca: CaCertificateId, *, stops_at: datetime) -> None:
        """Continue the sweep of a CA until it is complete or the time is over; botocore's errors propagate.

        Args:
            ca: The CA.
            stops_at: The time at which the function must stop.

        Raises:
            DamagedIndexError: The index in force cannot be read.
            DeferredError: `THROTTLED`: the ledger could not be read.
            LeaseLostError: Another invocation sweeps this CA, which should not be possible.
        """
        deadline = Deadline(stops_at - TIME_FOR_ONE, self.clock)
        if not deadline.allows():
            # Another CA's sweep used the time; the next invocation does not wait for that CA.
            return
        try:
            lease, state = SweepStates(self.ledger.items).acquire(
                ca, now=milliseconds(self.clock()), expires_at=milliseconds(stops_at + CLAIM_MARGIN)
            )
        except ConditionFailedError:
            return
        try:
            # Read under the lease: read earlier, it could be older than what another run has written since.
            if in_force := self._in_force(ca):
                with TemporaryDirectory(prefix="jitr-sweep-") as folder:
                    indexes = Indexes(self.store, self.ledger, ca, in_force, Path(folder))
                    _Run(self, lease, state, deadline, deadline.share(PASS_SHARE), indexes).do()
        finally:
            lease.release()
            self.ledger.publish_events(stops_at)

    def _in_force(self, ca: CaCertificateId) -> IndexRef | None:
        with suppress(IndexMissingError):
            return IndexRef.of(self.store.current(ca))
        return None


@dataclass
class _Run:
    """One run, under its lease."""

    sweep: Sweep
    lease: Lease
    state: SweepState
    deadline: Deadline
    pass_deadline: Deadline
    indexes: Indexes

    @property
    def ca(self) -> CaCertificateId:
        return self.indexes.ca

    def do(self) -> None:
        try:
            self._continue_pass()
        except IndexMissingError:
            # The bucket keeps former indexes only for a limited time. Without the former index, every entry
            # of the index in force counts as new, and the earlier count is not valid.
            self._write(settled=None, current_pass=None)
            self._continue_pass()
        if self.sweep.dry_run:
            return
        self._report_limit()
        released = self._release_holds()
        done = self.state.settling(self.sweep.settle)
        if released and done:
            self._write(settled=done.index, settled_at=done.started_at)

    def _continue_pass(self) -> None:
        current = self.state.next_pass(
            self.indexes.in_force,
            now=milliseconds(self.sweep.clock()),
            settle=self.sweep.settle,
            dry_run=self.sweep.dry_run,
        )
        if current is None:
            return
        steps = {Phase.COUNTING: self._count, Phase.REVOKING: self._revoke}
        with self.indexes.targets(current) as targets:
            if current.index.version != self.indexes.in_force.version and targets.has_withdrawn():
                # Entries that are not listed any more are skipped, so its index must not become `settled`.
                current = replace(current, missed=True)
            if current.is_at_its_start:
                confirmed = self.state.confirmed == current.index.version
                current = targets.plan(current, self.sweep.limit, confirmed=confirmed)
                self._write(current_pass=current)
            while (step := steps.get(current.phase)) and self.pass_deadline.allows():
                try:
                    current = step(current, targets.page(current.cursor, scanning=current.scanning))
                except NoSlotError:
                    # The time ended in the middle of the page: the next run repeats the page.
                    return
                self._write(current_pass=current)
                self.sweep.ledger.publish_events(self.deadline.at)

    def _count(self, current: Pass, page: TargetPage) -> Pass:
        """Count the devices on a page. If they are few, read from AWS IoT whether they are ACTIVE."""
        devices, reading = current.devices, True
        for target in page.targets:
            active: bool | None = target.row.in_fleet
            if active and reading and devices < CHECKED_AT_MOST:
                until = min(self.sweep.clock() + WAIT_FOR_STATUS, self.pass_deadline.at)
                read = partial(self.sweep.enforcement.is_active, target.certificate_id)
                try:
                    active = self._attempt(target.certificate_id, read, until)
                except NoSlotError:
                    if not self.pass_deadline.allows():
                        raise
                    reading = False
            devices += active is not False
        if page.cursor is not None:
            return replace(current, cursor=page.cursor, devices=devices)
        allowed = self.sweep.limit.allows(devices, self.sweep.ledger.fleet.size(self.ca))
        phase = Phase.REVOKING if allowed else Phase.TRIPPED
        return replace(current, phase=phase, cursor="", devices=devices)

    def _revoke(self, current: Pass, page: TargetPage) -> Pass:
        """Revoke or suspend the certificates on a page; in a dry run, report them."""
        missed = current.missed
        if current.dry_run:
            self._report_dry_run(page.targets)
        for target in [] if current.dry_run else page.targets:
            # A certificate that cannot be changed now does not stop the others.
            act = partial(self._revoke_one, target)
            missed |= self._attempt(target.certificate_id, act, self.pass_deadline.at) is None
        if page.cursor is None:
            return replace(current, phase=Phase.DONE, missed=missed)
        return replace(current, cursor=page.cursor, missed=missed)

    def _revoke_one(self, target: Target) -> RevocationResult:
        result = self.sweep.enforcement.revoke(
            target.certificate_id, self.ca, target.reason, self.indexes.in_force.version
        )
        level = "error" if result is RevocationResult.CONFLICT else "info"
        session: dict[str, str] = {}
        sessions = self.sweep.enforcement.sessions
        if sessions and result in {RevocationResult.REVOKED, RevocationResult.SUSPENDED}:
            session = sessions.close(target.row, target.reason, until=self.deadline.at)
        self.sweep.report(
            level,
            result,
            self.ca,
            certificate_id=target.certificate_id,
            serial_number=target.row.serial_number,
            common_name=target.row.common_name,
            revocation_reason=target.reason.label,
            **session,
        )
        return result

    def _report_dry_run(self, targets: list[Target]) -> None:
        for start in range(0, len(targets), NAMED_IN_A_LINE):
            named = targets[start : start + NAMED_IN_A_LINE]
            self.sweep.report(
                "warning",
                DRY_RUN,
                self.ca,
                index_version=self.indexes.in_force.version,
                devices=sum(target.row.in_fleet for target in named),
                certificates={target.certificate_id: target.reason.label for target in named},
            )

    def _report_limit(self) -> None:
        """Report at every run that an index waits for a confirmation, so that the alarm stays active."""
        if tripped := self.state.tripped:
            self.sweep.report(
                "error",
                LIMIT_TRIPPED,
                self.ca,
                index_version=tripped.index.version,
                devices=tripped.devices,
                fleet=self.sweep.ledger.fleet.size(self.ca),
                remedy=f"look at the CRL, then: jitr crl confirm {self.ca}",
            )

    def _release_holds(self) -> bool:
        """Release the holds that the index in force does not list; return whether all were processed."""
        settled = self.state.settled
        retries_only = settled is not None and settled.version == self.indexes.in_force.version
        pages = self.sweep.ledger.suspended(
            self.ca, since=1 if retries_only else 0, until=milliseconds(self.sweep.clock())
        )
        complete = True
        for page in pages:
            for certificate_id in self.indexes.lifted(page):
                act = partial(self._release_one, certificate_id)
                try:
                    complete &= self._attempt(certificate_id, act, self.deadline.at) is not None
                except NoSlotError:
                    return False
        return complete

    def _release_one(self, certificate_id: CertificateId) -> ReleaseResult:
        result, verdict = self.sweep.enforcement.release(certificate_id)
        level = "warning" if result is ReleaseResult.NOT_RELEASED else "info"
        self.sweep.report(level, result, self.ca, certificate_id=certificate_id, **_why(verdict))
        return result

    def _attempt(self, certificate_id: CertificateId, act: Callable[[], T], until: datetime) -> T | None:
        """Act on one certificate when the rate limiter allows it; return the result, None if that failed.

        Raises:
            NoSlotError: The rate limiter does not allow it before `until`.
        """
        try:
            self.sweep.rate_limiter.wait_for_background_slot(until=until)
            return act()
        except DeferredError as deferred:
            verdict = deferred.verdict
        except AwsError as error:
            verdict = deferral(error)
        self.sweep.report("warning", DEFERRED, self.ca, certificate_id=certificate_id, **_why(verdict))
        return None

    def _write(self, **changes: Any) -> None:
        """Change the state, and save it."""
        states = SweepStates(self.sweep.ledger.items)
        self.state = states.write(self.lease, replace(self.state, **changes))


def _why(verdict: Verdict | None) -> dict[str, str | None]:
    return {"reason": verdict.reason, "detail": verdict.detail} if verdict else {}
