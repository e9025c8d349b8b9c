"""The devices that are not active, by the doctor's cause: number, fix and example.

A cause is the last record in the ledger: later changes take effect at the device's next connect.
`jitr doctor --certificate-id` checks one device completely.
"""

from collections import Counter
from dataclasses import dataclass, field

from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.ledger_causes import FIXES
from iot_jitr_runtime.ledger import Row


@dataclass(frozen=True)
class Example:
    """One device of a cluster: what was read of its row. Times are in milliseconds; 0: unknown."""

    certificate_id: str
    state: str
    reason: str | None
    ca_certificate_id: str | None
    serial_number: str | None
    common_name: str | None
    in_service: bool
    first_seen_at: int
    decided_at: int

    @classmethod
    def of(cls, row: Row) -> "Example":
        """The device of a row."""
        return cls(
            certificate_id=row.certificate_id,
            state=row.state or "unknown",
            reason=row.reason,
            ca_certificate_id=row.ca_certificate_id,
            serial_number=row.serial_number,
            common_name=row.common_name,
            in_service=row.in_fleet,
            first_seen_at=row.first_seen_at,
            decided_at=row.decided_at,
        )


@dataclass
class Cluster:
    """The devices that are not active because of the same cause."""

    cause: Cause
    certificates: int = 0
    """Number of devices; for `dead_lettered`, the number of messages in the dead-letter queue."""
    reasons: Counter[str] = field(default_factory=Counter)
    """The ledger's reason (or its state, if there is no reason) → number of certificates."""
    example: Example | None = None
    """The certificate with the latest decision; None if only messages are counted."""
    first_seen_at: int = 0
    """Earliest first connect of these devices, in milliseconds since the epoch; 0: unknown."""

    title: str = field(init=False)
    """The cause in one line."""
    fix: str = field(init=False)
    """The fix for the cause."""

    def __post_init__(self) -> None:
        """Describe the cause."""
        self.title, self.fix = self.cause.headline, FIXES[self.cause]

    def add(self, row: Row) -> None:
        """Count a certificate."""
        self.certificates += 1
        self.reasons[row.reason or row.state or "unknown"] += 1
        if self.example is None or row.decided_at > self.example.decided_at:
            self.example = Example.of(row)
        known = [time for time in (self.first_seen_at, row.first_seen_at) if time]
        self.first_seen_at = min(known, default=0)
