"""The progress of a CA's sweep, and the invocation that runs it: one item in the ledger's table."""

import json
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

from iot_jitr_runtime.dynamodb import Item, Table, Update
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.ledger.lease import Lease
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.ledger_table import SWEEP_PREFIX
from iot_jitr_runtime.revocation.store import Published


class NotTrippedError(JitrError):
    """The index does not wait for an operator's confirmation, or does not wait any more."""


@dataclass(frozen=True, slots=True)
class IndexRef:
    """A reference to a published index."""

    version: str
    version_id: str
    published_at: int
    """In milliseconds since the epoch."""

    @classmethod
    def of(cls, published: Published) -> "IndexRef":
        """Return the reference to a published index."""
        return cls(published.version, published.version_id, milliseconds(published.published_at))


class Phase(StrEnum):
    """The phase of a pass."""

    COUNTING = "counting"
    """It counts the devices that it would revoke or suspend. Each pass starts in this phase, and leaves it at
    once if a count is not necessary (`Targets.plan`)."""
    TRIPPED = "tripped"
    """The count exceeds the mass-revocation limit: an operator must confirm the index."""
    REVOKING = "revoking"
    """It revokes and suspends, or reports what it would change in a dry run."""
    DONE = "done"
    """It is complete."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over the entries that an index lists and a former index does not list."""

    index: IndexRef
    former: IndexRef | None
    """The index for the comparison; None: every entry of the index is new."""
    started_at: int
    """In milliseconds since the epoch."""
    dry_run: bool
    scanning: bool = False
    """It reads the whole ledger, because that takes less time than one look-up for each new serial number."""
    phase: Phase = Phase.COUNTING
    cursor: str = ""
    """The pass continues after this serial number, or certificate when scanning. Empty: at the start."""
    devices: int = 0
    """How many devices were counted so far."""
    missed: bool = False
    """Another pass must follow: a certificate could not be changed, or the CA has removed an entry since."""

    @property
    def is_at_its_start(self) -> bool:
        """Whether nothing is counted or revoked yet."""
        return self.phase is Phase.COUNTING and not self.cursor


@dataclass(frozen=True, slots=True)
class SweepState:
    """The progress of a CA's sweep."""

    settled: IndexRef | None = None
    """The last index of which every entry is processed: a complete pass began after its settle time, so it
    also found the certificates that were activated from an older index. None before the first."""
    settled_at: int = 0
    """Start time of that pass, in milliseconds since the epoch."""
    current_pass: Pass | None = None
    """The pass that was begun last."""
    confirmed: str | None = None
    """Version of the index that an operator has confirmed."""
    rescan_requested_at: int = 0
    """When a rescan was last requested, see `SweepStates.request_rescan`."""

    @property
    def tripped(self) -> Pass | None:
        """The pass that the mass-revocation limit has stopped, None if there is none."""
        stopped = self.current_pass
        return stopped if stopped and stopped.phase is Phase.TRIPPED else None

    def next_pass(self, in_force: IndexRef, *, now: int, settle: timedelta, dry_run: bool) -> Pass | None:
        """Return the pass to run: the unfinished one, or a new one if it is due; otherwise None.

        Args:
            in_force: The index in force.
            now: This moment, in milliseconds since the epoch.
            settle: The settle time, see `Sweep.settle`.
            dry_run: Whether nothing is to be changed.
        """
        last = self.current_pass
        if last and last.dry_run is not dry_run:
            last = None
        if last and last.phase not in {Phase.TRIPPED, Phase.DONE}:
            return last
        if last and last.phase is Phase.TRIPPED:
            if self.confirmed == last.index.version:
                return replace(last, phase=Phase.REVOKING)
            # The pass waits for a confirmation or a newer index. The limit applies to the newer index again.
            if last.index.version == in_force.version:
                return None
        visible = [each + _milliseconds(settle) for each in (in_force.published_at, self.rescan_requested_at)]
        former = None if self.settled_at < visible[1] <= now else self.settled
        if former and former.version == in_force.version:
            return None
        if last and last.index.version == in_force.version and not last.missed:
            # A further pass, when all entries are visible that were not visible to the last pass.
            due = not dry_run and any(last.started_at < each <= now for each in visible)
        else:
            due = True
        return Pass(in_force, former, now, dry_run) if due else None

    def settling(self, settle: timedelta) -> Pass | None:
        """Return the last pass if its index becomes `settled`: it is complete, begun after the settle time.

        Args:
            settle: The settle time, see `Sweep.settle`.
        """
        last = self.current_pass
        if last is None or last.phase is not Phase.DONE or last.missed or last.dry_run:
            return None
        late = self.settled_at < last.started_at >= last.index.published_at + _milliseconds(settle)
        return last if late else None


@dataclass(frozen=True)
class SweepStates:
    """Reads and writes the states; botocore's errors propagate."""

    items: Table
    """The ledger's table."""

    def read(self, ca: CaCertificateId) -> SweepState:
        """Read the progress of a CA's sweep."""
        return _state(self.items.get(_key(ca)) or {})

    def acquire(self, ca: CaCertificateId, *, now: int, expires_at: int) -> tuple[Lease, SweepState]:
        """Acquire the lease on a CA's sweep; return the lease and the progress of the sweep.

        Raises:
            ConditionFailedError: Another invocation sweeps this CA.
        """
        lease = Lease.acquire(self.items, _key(ca), now=now, expires_at=expires_at)
        return lease, _state(lease.item)

    def write(self, lease: Lease, state: SweepState) -> SweepState:
        """Write the progress of the sweep; return the state, which includes other workers' changes.

        Raises:
            LeaseLostError: Another invocation has the lease now.
        """
        progress = asdict(state)
        for of_others in ("confirmed", "rescan_requested_at"):
            del progress[of_others]
        return _state(lease.update({"progress": json.dumps(progress)}))

    def request_rescan(self, ca: CaCertificateId, *, now: int) -> None:
        """Request a pass over everything on a CA's list.

        This is for a certificate that is added to the ledger after its serial number was listed. If the
        request precedes the addition, it cannot be lost; the pass waits until the new row is visible.

        Args:
            ca: The CA.
            now: This moment, in milliseconds since the epoch.
        """
        self.items.update(Update(_key(ca), {"rescanRequestedAt": now}))

    def confirm(self, ca: CaCertificateId, version: str) -> None:
        """Confirm an index that has tripped the mass-revocation limit.

        Args:
            ca: The CA.
            version: The index that the operator has checked. No other index is confirmed.

        Raises:
            NotTrippedError: It does not wait for a confirmation, or does not wait any more.
        """
        tripped = self.read(ca).tripped
        if tripped is None or tripped.index.version != version:
            raise NotTrippedError(
                f"index {version} of CA {ca} does not wait for a person any more: look again, then confirm"
            )
        self.items.update(Update(_key(ca), {"confirmed": version}))


def _key(ca: CaCertificateId) -> str:
    return f"{SWEEP_PREFIX}{ca}"


def _state(item: Item) -> SweepState:
    progress = json.loads(item.get("progress", "{}"))
    found = progress.get("current_pass")
    return SweepState(
        settled=_ref(progress.get("settled")),
        settled_at=progress.get("settled_at", 0),
        current_pass=found
        and Pass(
            **found
            | {
                "index": IndexRef(**found["index"]),
                "former": _ref(found["former"]),
                "phase": Phase(found["phase"]),
            }
        ),
        confirmed=item.get("confirmed"),
        rescan_requested_at=item.get("rescanRequestedAt", 0),
    )


def _milliseconds(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)


def _ref(plain: dict[str, Any] | None) -> IndexRef | None:
    return IndexRef(**plain) if plain else None
