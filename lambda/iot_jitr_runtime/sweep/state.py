"""How far the sweep of a CA has come, and which invocation works on it: one item beside the ledger's rows."""

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
from iot_jitr_runtime.revocation.store import Published

STATE_PREFIX = "#sweep/"
"""Keys of these items begin so; no certificate's does."""


class NotTrippedError(JitrError):
    """The index does not wait for a person, or not any more."""


@dataclass(frozen=True, slots=True)
class IndexRef:
    """A published index, as far as it takes to find it again."""

    version: str
    version_id: str
    published_at: int
    """In milliseconds since the epoch."""

    @classmethod
    def of(cls, published: Published) -> "IndexRef":
        """Return the reference to a published index."""
        return cls(published.version, published.version_id, milliseconds(published.published_at))


class Phase(StrEnum):
    """What a pass does."""

    COUNTING = "counting"
    """It counts the devices that it would revoke or suspend. Each pass begins so, and goes on at once where
    there is no need for it (`Targets.plan`)."""
    TRIPPED = "tripped"
    """They are more than the mass-revocation limit allows: a person must confirm the index."""
    REVOKING = "revoking"
    """It revokes and suspends, or reports what it would change in a dry run."""
    DONE = "done"
    """It has come to the end."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over what an index lists and a former one does not."""

    index: IndexRef
    former: IndexRef | None
    """What it compares the index with; None: everything on the index is new."""
    started_at: int
    """In milliseconds since the epoch."""
    dry_run: bool
    scanning: bool = False
    """It reads the whole ledger, because that takes less time than one look-up for each new serial number."""
    phase: Phase = Phase.COUNTING
    cursor: str = ""
    """After which to continue: a serial number, or a certificate when scanning. Empty: from the start."""
    devices: int = 0
    """How many devices were counted so far."""
    missed: bool = False
    """Another pass must follow: a certificate could not be changed, or an entry has been withdrawn since."""

    @property
    def is_at_its_start(self) -> bool:
        """Whether nothing is counted or revoked yet."""
        return self.phase is Phase.COUNTING and not self.cursor


@dataclass(frozen=True, slots=True)
class SweepState:
    """How far the sweep of a CA has come."""

    settled: IndexRef | None = None
    """Everything that this index lists is dealt with, late activations included."""
    settled_at: int = 0
    """When the pass began that settled it, in milliseconds since the epoch."""
    current_pass: Pass | None = None
    """The pass that was begun last."""
    confirmed: str | None = None
    """Version of the index that a person has confirmed."""
    rescan_requested_at: int = 0
    """When a rescan was last requested, see `SweepStates.request_rescan`."""

    @property
    def tripped(self) -> Pass | None:
        """The pass that the mass-revocation limit has stopped, None if there is none."""
        stopped = self.current_pass
        return stopped if stopped and stopped.phase is Phase.TRIPPED else None

    def next_pass(self, in_force: IndexRef, *, now: int, settle: timedelta, dry_run: bool) -> Pass | None:
        """Return the pass to work on: the unfinished one, or a new one if it is due; else None.

        Args:
            in_force: The index in force.
            now: This moment, in milliseconds since the epoch.
            settle: How long after its publication an index may be unknown to an activator, and an entry of
                the ledger invisible.
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
            # Only a newer index ends the wait for a person. The limit applies to it anew.
            if last.index.version == in_force.version:
                return None
        visible = [each + _milliseconds(settle) for each in (in_force.published_at, self.rescan_requested_at)]
        former = None if self.settled_at < visible[1] <= now else self.settled
        if former and former.version == in_force.version:
            return None
        if last and last.index.version == in_force.version and not last.missed:
            # Once more as soon as everything is visible that the last pass could not see.
            due = not dry_run and any(last.started_at < each <= now for each in visible)
        else:
            due = True
        return Pass(in_force, former, now, dry_run) if due else None

    def settling(self, settle: timedelta) -> Pass | None:
        """Return the last pass if it settles its index: it is complete, and began late enough to see all."""
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
        """Read how far a CA's sweep has come."""
        return _state(self.items.get(_key(ca)) or {})

    def acquire(self, ca: CaCertificateId, *, now: int, expires_at: int) -> tuple[Lease, SweepState]:
        """Acquire the lease on a CA's sweep; return it and how far the sweep has come.

        Raises:
            ConditionFailedError: Another invocation sweeps this CA.
        """
        lease = Lease.acquire(self.items, _key(ca), now=now, expires_at=expires_at)
        return lease, _state(lease.item)

    def write(self, lease: Lease, state: SweepState) -> SweepState:
        """Write how far the sweep has come; return the state, with what others have written to it.

        Raises:
            LeaseLostError: Another invocation has the lease now.
        """
        progress = asdict(state)
        for of_others in ("confirmed", "rescan_requested_at"):
            del progress[of_others]
        return _state(lease.update({"progress": json.dumps(progress)}))

    def request_rescan(self, ca: CaCertificateId, *, now: int) -> None:
        """Request a pass over everything on a CA's list.

        It is for a certificate that enters the ledger after its serial number was listed. If the request is
        made before the entry, it cannot get lost; the pass waits until the entry is visible.

        Args:
            ca: The CA.
            now: This moment, in milliseconds since the epoch.
        """
        self.items.update(Update(_key(ca), {"rescanRequestedAt": now}))

    def confirm(self, ca: CaCertificateId, version: str) -> None:
        """Confirm an index that has tripped the mass-revocation limit.

        Args:
            ca: The CA.
            version: The index that a person has looked at. No other one is confirmed.

        Raises:
            NotTrippedError: It does not wait for a person, or not any more.
        """
        tripped = self.read(ca).tripped
        if tripped is None or tripped.index.version != version:
            raise NotTrippedError(
                f"index {version} of CA {ca} does not wait for a person any more: look again, then confirm"
            )
        self.items.update(Update(_key(ca), {"confirmed": version}))


def _key(ca: CaCertificateId) -> str:
    return f"{STATE_PREFIX}{ca}"


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
