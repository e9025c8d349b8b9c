"""The ledger's data about one certificate: a row, its state and its device's identity."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId, SerialNumber
from iot_jitr_runtime.ledger_table import SERIAL_INDEX_KEY
from iot_jitr_runtime.outcomes import Reason

VALID_UNTIL = "lookAgainAt"
"""The attribute of `Row.valid_until`, in milliseconds since the epoch: the end of the decision TTL."""
LEASE_TOKEN = "leaseToken"  # noqa: S105 - an attribute's name
LEASE_EXPIRES_AT = "leaseExpiresAt"
CLAIM_MARGIN = timedelta(seconds=5)
"""A claim lasts this much longer than its worker may run: two workers' clocks may differ by this much."""


class State(StrEnum):
    """The state of a certificate in the ledger."""

    ACTIVATING = "activating"
    """All checks passed; a worker changes its policy and status, or stopped while it changed them."""
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


LASTING = {State.ACTIVATED, State.SUSPENDED, State.REVOKED, State.RETIRED, State.KNOWN}
"""States that a deferral, or a worker that has nothing to decide, does not overwrite."""


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
    valid_until: int = 0
    """The decision applies to events sent up to this time, which are stale."""
    waiting_message_id: str | None = None
    """While deferred: the queue message of the retry, which is delivered at `valid_until` at the latest."""
    superseded_by: CertificateId | None = None
    """The certificate that replaces it, by a renewal."""
    lease_expires_at: int = 0
    expires_at: int = 0
    """When the row is removed, in seconds; 0: it stays."""
    attempts: int = 0
    in_fleet: bool = False
    """It counts as a device in service, see `fleet`."""
    last_event: str | None = None
    """The marker of its last outcome event."""

    @classmethod
    def read(cls, item: Mapping[str, Any]) -> "Row":
        """Read a row from its item. An unknown state or reason, of a newer version, is read as None."""
        known = {name: item[attribute] for name, attribute in _ATTRIBUTES.items() if attribute in item}
        known["state"] = next((state for state in State if state == known.get("state")), None)
        known["reason"] = next((reason for reason in Reason if reason == known.get("reason")), None)
        return cls(**known)

    def attributes(self) -> dict[str, object]:
        """Return the attributes of the row in the table's format."""
        values = {attribute: getattr(self, name) for name, attribute in _ATTRIBUTES.items()}
        return {attribute: value for attribute, value in values.items() if value}

    def changed(self, values: Mapping[str, object]) -> "Row":
        """Return the row after these attributes are written; None removes one."""
        written = {**self.attributes(), **values}
        return Row.read({name: value for name, value in written.items() if value is not None})

    def makes_stale(self, sent_at: int, message_id: str) -> bool:
        """Whether this row's decision applies to an event: the event was sent by `valid_until`.

        The message that retries a deferral is never stale.
        """
        return sent_at <= self.valid_until and message_id != self.waiting_message_id


def _attribute(field: str) -> str:
    first, *others = field.split("_")
    return first + "".join(map(str.title, others))


_ATTRIBUTES = {field.name: _attribute(field.name) for field in fields(Row)} | {"valid_until": VALID_UNTIL}
"""The row's attribute of each field: its name in camel case, with one exception."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The fields of a certificate that the ledger keeps."""

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
