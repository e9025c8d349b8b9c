"""One certificate as the ledger has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from iot_jitr_runtime.ledger import KEY, State
from iot_jitr_runtime.ledger.fleet import IN_FLEET


class Group(StrEnum):
    """Whether a certificate's device is in, and if not, what kind of no."""

    IN_SERVICE = "in_service"
    """Its certificate is ACTIVE."""
    WAITING = "waiting"
    """Not decided yet, or being activated."""
    REFUSED = "refused"
    """A check failed."""
    REVOKED = "revoked"
    """It was in service; its certificate is revoked, on hold, or replaced by a newer one."""
    OTHER = "other"
    """Not ACTIVE, and not because of this pipeline."""


_GROUPS: Mapping[str, Group] = {
    State.ACTIVATING: Group.WAITING,
    State.DEFERRED: Group.WAITING,
    State.REFUSED: Group.REFUSED,
    State.SUSPENDED: Group.REVOKED,
    State.REVOKED: Group.REVOKED,
    State.RETIRED: Group.REVOKED,
}


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the ledger has about one certificate. Times are in milliseconds since the epoch; 0: unknown."""

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
    def read(cls, item: Mapping[str, Any]) -> "Certificate":
        """Read a row from DynamoDB's JSON."""

        def text(name: str) -> str | None:
            return item[name]["S"] if name in item else None

        def number(name: str) -> int:
            return int(item[name]["N"]) if name in item else 0

        return cls(
            certificate_id=item[KEY]["S"],
            state=item["state"]["S"],
            reason=text("reason"),
            ca_certificate_id=text("caCertificateId"),
            serial_number=text("serialNumber"),
            common_name=text("commonName"),
            in_service=IN_FLEET in item,
            first_seen_at=number("firstSeenAt"),
            decided_at=number("decidedAt"),
        )

    @property
    def group(self) -> Group:
        """Whether its device is in."""
        if self.in_service:
            return Group.IN_SERVICE
        return _GROUPS.get(self.state, Group.OTHER)
