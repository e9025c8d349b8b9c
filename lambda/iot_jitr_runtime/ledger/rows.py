"""What the ledger keeps of one certificate: a row, its state and its device's identity."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId, SerialNumber
from iot_jitr_runtime.outcome_events import LAST_EVENT
from iot_jitr_runtime.outcomes import Reason

KEY = "certificateId"
SERIAL_INDEX = "ca-serial"
"""Global secondary index, keys only, partition key `SERIAL_INDEX_KEY`."""
SERIAL_INDEX_KEY = "caSerial"
TTL_ATTRIBUTE = "expiresAt"
"""Seconds since the epoch; only rows that say nothing about a known certificate have it."""
LEASE_TOKEN = "leaseToken"  # noqa: S105 - an attribute's name
LEASE_EXPIRES_AT = "leaseExpiresAt"
CLAIM_MARGIN = timedelta(seconds=5)
"""How much longer a claim lasts than its worker may run: two workers' clocks may differ by so much."""


class State(StrEnum):
    """What the ledger says of a certificate."""

    ACTIVATING = "activating"
    """All checks passed; its policy and status are being changed, or were when the worker stopped."""
    ACTIVATED = "activated"
    """This pipeline activated it."""
    REFUSED = "refused"
    """A check failed, see `reason`."""
    DEFERRED = "deferred"
    """Not decided yet, see `reason`; its message is in the queue."""
    SUSPENDED = "suspended"
    """This pipeline made it INACTIVE because of a certificateHold, and may release it."""
    REVOKED = "revoked"
    """This pipeline made it REVOKED."""
    RETIRED = "retired"
    """This pipeline made it INACTIVE when the grace period of its renewal was over."""
    KNOWN = "known"
    """Not decided by this pipeline; recorded so that it can be revoked by serial number."""


SETTLED = {State.ACTIVATED, State.SUSPENDED, State.REVOKED, State.RETIRED, State.KNOWN}
"""States that stay as they are when a worker finds that the certificate is decided."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as read. Every attribute may be missing: a claim creates the row before anything is known."""

    certificate_id: CertificateId
    state: State | None = None
    reason: Reason | None = None
    detail: str = ""
    ca_certificate_id: CaCertificateId | None = None
    serial_number: SerialNumber | None = None
    common_name: str | None = None
    index_version: str | None = None
    policy_name: str | None = None
    thing_name: str | None = None
    refusal_status: str | None = None
    """While refused: the status that the refusal set, `inactive` or `revoked`."""
    first_seen_at: int = 0
    """When its first event was sent."""
    decided_at: int = 0
    look_again_at: int = 0
    """Events sent up to this moment are stale."""
    waiting_message_id: str | None = None
    """While deferred: the queue message that retries, by `look_again_at`."""
    superseded_by: CertificateId | None = None
    """The certificate that replaces it, by a renewal."""
    lease_expires_at: int = 0
    attempts: int = 0
    in_fleet: bool = False
    """It counts as a device in service, see `fleet`."""
    last_event: str | None = None
    """What its last outcome event has told."""

    @classmethod
    def read(cls, item: Mapping[str, Any]) -> "Row":
        """Read a row from its item."""
        return cls(
            certificate_id=CertificateId(item[KEY]),
            state=_member(State, item.get("state")),
            reason=_member(Reason, item.get("reason")),
            detail=item.get("detail", ""),
            ca_certificate_id=item.get("caCertificateId"),
            serial_number=item.get("serialNumber"),
            common_name=item.get("commonName"),
            index_version=item.get("indexVersion"),
            policy_name=item.get("policyName"),
            thing_name=item.get("thingName"),
            refusal_status=item.get("refusalStatus"),
            first_seen_at=item.get("firstSeenAt", 0),
            decided_at=item.get("decidedAt", 0),
            look_again_at=item.get("lookAgainAt", 0),
            waiting_message_id=item.get("waitingMessageId"),
            superseded_by=item.get("supersededBy"),
            lease_expires_at=item.get(LEASE_EXPIRES_AT, 0),
            attempts=item.get("attempts", 0),
            in_fleet=item.get("inFleet", False),
            last_event=item.get(LAST_EVENT),
        )

    def makes_stale(self, sent_at: int, message_id: str) -> bool:
        """Whether this row answers an event: the event was sent before `look_again_at`.

        The message that retries a deferral is never stale.
        """
        return sent_at <= self.look_again_at and message_id != self.waiting_message_id


@dataclass(frozen=True, slots=True)
class Identity:
    """What a certificate says of its device, as the ledger keeps it."""

    ca_certificate_id: CaCertificateId
    serial_number: SerialNumber
    common_name: str | None

    def attributes(self) -> dict[str, object]:
        """The attributes of a row that has this identity: it can be found by its serial number."""
        return {
            "caCertificateId": self.ca_certificate_id,
            "serialNumber": self.serial_number,
            "commonName": self.common_name,
            SERIAL_INDEX_KEY: ca_serial(self.ca_certificate_id, self.serial_number),
        }


def milliseconds(moment: datetime) -> int:
    """Return a moment as the ledger writes it: milliseconds since the epoch."""
    return int(moment.timestamp() * 1000)


def ca_serial(ca_certificate_id: CaCertificateId, serial: SerialNumber) -> str:
    """Return the key of index `ca-serial`."""
    return f"{ca_certificate_id}#{serial}"


_E = TypeVar("_E", bound=StrEnum)


def _member(enumeration: type[_E], value: object) -> _E | None:
    """Read an enumeration's value; None for one that a newer version wrote."""
    return next((member for member in enumeration if member == value), None)
