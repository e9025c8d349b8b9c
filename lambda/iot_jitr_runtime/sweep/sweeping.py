"""One run over one CA: the first pass over a new index, the second pass over an earlier one, the releases.

Every run may be cut off anywhere and repeated: what was done is in the ledger, and a pass counts as done only
when all of it is.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from iot_jitr_runtime.aws_errors import AwsError, deferral
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger import CLAIM_MARGIN, ClaimLostError, Row, State
from iot_jitr_runtime.ledger.revocations import RevocationLedger
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.outcomes import DeferredError, Reason, Verdict
from iot_jitr_runtime.revocation.index import DamagedIndexError, Index
from iot_jitr_runtime.revocation.store import IndexMissingError, IndexStore
from iot_jitr_runtime.sweep.catch import SafetyCatch
from iot_jitr_runtime.sweep.enforcement import Enforced, Enforcement
from iot_jitr_runtime.sweep.pace import Pace
from iot_jitr_runtime.sweep.release import Release, Released
from iot_jitr_runtime.sweep.states import BeingSweptError, Held, IndexRef, SweepState, SweepStates
from iot_jitr_runtime.sweep.targets import Target, Targets

TIME_FOR_ONE = timedelta(seconds=15)
"""A certificate is begun only with this much time left."""


class Observer(Protocol):
    """Is told what happens, for logs and metrics."""

    def enforced(self, ca: CaCertificateId, target: Target, result: Enforced) -> None:
        """A certificate was put out, or need not be."""

    def released(
        self, ca: CaCertificateId, certificate_id: CertificateId, result: Released, verdict: Verdict | None
    ) -> None:
        """A certificate was released, or not."""

    def put_off(self, ca: CaCertificateId, certificate_id: CertificateId, verdict: Verdict) -> None:
        """A certificate could not be touched now; the next run tries again."""

    def held(self, ca: CaCertificateId, held: Held) -> None:
        """The safety catch holds an index back."""

    def would_put_out(self, ca: CaCertificateId, version: str, targets: list[Target]) -> None:
        """Without the dry run, these certificates would be put out."""


@dataclass(frozen=True)
class Sweep:
    """Sweeps any CA."""

    store: IndexStore
    states: SweepStates
    ledger: RevocationLedger
    enforcement: Enforcement
    release: Release
    pace: Pace
    observer: Observer
    settle: timedelta
    """How long after its publication an index may still be unknown to an activator at work."""
    catch: SafetyCatch = field(default_factory=SafetyCatch)
    dry_run: bool = False
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def run(self, ca: CaCertificateId, *, stopped_by: datetime) -> None:
        """Do what there is to do for a CA, as far as the time goes; botocore's errors fly.

        Args:
            ca: The CA.
            stopped_by: When this function is stopped for sure.

        Raises:
            DamagedIndexError: An index cannot be read.
            LeaseLostError: Another invocation is at it, which should not be possible.
        """
        try:
            token, state = self.states.lease(
                ca,
                now=milliseconds(self.clock()),
                expires_at=milliseconds(stopped_by + CLAIM_MARGIN),
            )
        except BeingSweptError:
            return
        try:
            # Under the lease: asked before, it could be older than what another run has swept by now.
            if current := self._in_force(ca):
                with TemporaryDirectory(prefix="jitr-sweep-") as folder:
                    _Run(self, ca, token, state, current, stopped_by - TIME_FOR_ONE, Path(folder)).do()
        finally:
            self.states.give_back(ca, token)

    def _in_force(self, ca: CaCertificateId) -> IndexRef | None:
        with suppress(IndexMissingError):
            return IndexRef.of(self.store.current(ca))
        return None


@dataclass
class _Run:
    """One run, under its lease."""

    sweep: Sweep
    ca: CaCertificateId
    token: str
    state: SweepState
    current: IndexRef
    last_start: datetime
    folder: Path

    def do(self) -> None:
        self._first_pass()
        if not self.sweep.dry_run:
            self._second_pass()
            self._releases()

    def _first_pass(self) -> None:
        held = self.state.held
        # A confirmed index is swept to its end, even if there is a newer one by now.
        confirmed = held.index if held and held.confirmed else None
        target = confirmed or self.current
        swept, asked = self.state.is_swept(target), self.state.asked
        if swept and not self._is_asked():
            return
        if self.sweep.dry_run:
            self._report(target)
            return
        if held and not confirmed and held.index.version == target.version:
            self.sweep.observer.held(self.ca, held)
            return
        targets = self._targets(target, self.state.former(target))
        if not confirmed and self._is_held(target, targets):
            return
        if not self._put_out_all(targets, target):
            return
        if swept:
            self._write(answered=asked, held=None)
        else:
            self._write(first=target, pending=self.state.pending or target, held=None)

    def _is_asked(self) -> bool:
        """Whether everybody on the list is to be looked for, and who was entered since can be found."""
        since = self.sweep.clock() - self.sweep.settle
        return self.state.answered < self.state.asked <= milliseconds(since)

    def _second_pass(self) -> None:
        pending, first = self.state.pending, self.state.first
        if pending is None or self.sweep.clock() < pending.published_at + self.sweep.settle:
            return
        later = first if first and first.version != pending.version else None
        try:
            targets = self._targets(pending, self.state.second)
        except IndexMissingError:
            # The bucket keeps former versions for a time only; the next comparison takes this one in.
            self._write(pending=later)
            return
        if self._too_many(targets, pending):
            # A person must look at those that came in between too: the first pass finds them, and holds.
            asked = max(self.state.asked, milliseconds(self.sweep.clock() - self.sweep.settle))
            self._write(second=pending, pending=later, asked=asked)
        elif self._put_out_all(targets, pending):
            self._write(second=pending, pending=later)

    def _releases(self) -> None:
        ledger = self.sweep.ledger
        looked_at = self.state.released == self.current.version
        retry_at = milliseconds(self.sweep.clock()) if looked_at else None
        waiting = ledger.suspended(self.ca, retry_at=retry_at)
        done = True
        if waiting:
            with self._opened(self.current) as index:
                for row in ledger.rows(waiting).values():
                    if _may_be_released(row, index):
                        done &= self._touch(row.certificate_id, partial(self._release, row.certificate_id))
        if done and not looked_at:
            self._write(released=self.current.version)

    def _release(self, certificate_id: CertificateId) -> None:
        result, verdict = self.sweep.release.release(certificate_id)
        self.sweep.observer.released(self.ca, certificate_id, result, verdict)

    def _put_out_all(self, targets: list[Target], index: IndexRef) -> bool:
        """Put them all out; say whether that was possible."""
        done = True
        for target in targets:
            # One that cannot be touched now does not keep the others from it.
            done &= self._touch(target.certificate_id, partial(self._put_out, target, index))
        return done

    def _put_out(self, target: Target, index: IndexRef) -> None:
        result = self.sweep.enforcement.put_out(target.certificate_id, self.ca, target.reason, index.version)
        self.sweep.observer.enforced(self.ca, target, result)

    def _touch(self, certificate_id: CertificateId, act: Callable[[], None]) -> bool:
        """Act on one certificate at its turn; say whether that was possible."""
        if self.sweep.clock() > self.last_start:
            return False
        try:
            self.sweep.pace.wait()
            act()
        except DeferredError as deferred:
            verdict = deferred.verdict
        except ClaimLostError as error:
            verdict = Verdict.because(Reason.CLAIMED_ELSEWHERE, str(error))
        except AwsError as error:
            verdict = deferral(error).verdict
        else:
            return True
        self.sweep.observer.put_off(self.ca, certificate_id, verdict)
        return False

    def _targets(self, new: IndexRef, former: IndexRef | None) -> list[Target]:
        found = self._found(new, former)
        if new.version == self.current.version or not found:
            return found
        # What the CA has taken off the list since is not put out on the word of an earlier one.
        with self._opened(self.current) as index:
            return [target for target in found if index.reason(target.serial) is not None]

    def _found(self, new: IndexRef, former: IndexRef | None) -> list[Target]:
        finder = Targets(self.sweep.ledger)
        with self._opened(new) as index:
            if former is None:
                return finder.find(self.ca, index, None)
            try:
                with self._opened(former) as before:
                    return finder.find(self.ca, index, before)
            except (IndexMissingError, DamagedIndexError):
                # The bucket keeps former versions for a time only. All entries count as new then.
                return finder.find(self.ca, index, None)

    def _is_held(self, target: IndexRef, targets: list[Target]) -> bool:
        if held := self._too_many(targets, target):
            self._write(held=held)
            self.sweep.observer.held(self.ca, held)
        return held is not None

    def _too_many(self, targets: list[Target], index: IndexRef) -> Held | None:
        """What the safety catch holds back, None if it lets them through."""
        devices = sum(each.in_service for each in targets)
        fleet = self.sweep.ledger.fleet.size(self.ca)
        return Held(index, devices, fleet) if self.sweep.catch.holds(devices, fleet) else None

    def _report(self, target: IndexRef) -> None:
        if self.state.reported != target.version:
            targets = self._targets(target, self.state.former(target))
            self.sweep.observer.would_put_out(self.ca, target.version, targets)
            self._write(reported=target.version)

    @contextmanager
    def _opened(self, ref: IndexRef) -> Iterator[Index]:
        path = self.folder / f"{ref.version}.sqlite"
        if not path.exists():
            self.sweep.store.download(self.ca, path, version_id=ref.version_id)
        with closing(Index.open(path)) as index:
            yield index

    def _write(self, **changes: IndexRef | Held | str | int | None) -> None:
        self.sweep.states.write(self.ca, self.token, **changes)
        self.state = self.sweep.states.read(self.ca)


def _may_be_released(row: Row, index: Index) -> bool:
    # What has become a revocation meanwhile is the passes' business.
    on_list = index.reason(int(row.serial_number or "0", 16))
    return row.state is not State.SUSPENDED or on_list is None
