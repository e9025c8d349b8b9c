"""The ledger's operations on its DynamoDB table: every write is conditional and may be repeated."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Attr

from iot_jitr_runtime.dynamodb import ConditionFailedError, Table, Update, still
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger.claim import Claim, not_stale, reasons, why_not
from iot_jitr_runtime.ledger.fleet import Fleet
from iot_jitr_runtime.ledger.lease import RELEASED, Lease, LeaseLostError, is_free
from iot_jitr_runtime.ledger.rows import LASTING, VALID_UNTIL, Identity, Row, State
from iot_jitr_runtime.ledger.tasks import SUPERSEDED_BY, ScheduledTasks
from iot_jitr_runtime.ledger_table import KEY, TTL_ATTRIBUTE
from iot_jitr_runtime.outcome_events import EventType
from iot_jitr_runtime.outcomes import Reason, Verdict

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient

    from iot_jitr_runtime.ledger.outbox import Outbox

_GARBAGE_SECONDS = 86_400


class Ledger:
    """The ledger's operations. Each write is conditional, so it may be repeated, also concurrently.

    Each `record_…` of a claim releases the claim with its write, unless its docstring has "keep the claim".
    It raises `LeaseLostError` if another worker holds the claim by now. botocore's errors propagate.
    """

    def __init__(self, dynamodb: "DynamoDBClient", table: str, outbox: "Outbox | None" = None) -> None:
        self.items = Table(dynamodb, table, KEY)
        self.fleet = Fleet(self.items)
        """How many devices are in service."""
        self.tasks = ScheduledTasks(self.items)
        """The scheduled tasks of certificates."""
        self.outbox = outbox
        """Composes and publishes outcome events; None where they are off."""

    def rows(self, certificate_ids: Iterable[CertificateId]) -> dict[CertificateId, Row]:
        """Read many rows, 100 in each call; unprocessed keys are requested again.

        Raises:
            DeferredError: `THROTTLED`: some keys stayed unprocessed.
        """
        items = self.items.get_many(sorted(set(certificate_ids)))
        return {row.certificate_id: row for row in map(Row.read, items)}

    def row(self, certificate_id: CertificateId) -> Row | None:
        """Read one row, consistently."""
        item = self.items.get(certificate_id)
        return Row.read(item) if item else None

    def publish_events(self, stops_at: "datetime") -> None:
        """Publish the outcome events of what was recorded since the last call. AWS's errors end here.

        Args:
            stops_at: The time at which the function must stop.
        """
        if self.outbox is not None:
            self.outbox.publish_recorded(stops_at)

    def claim(
        self, certificate_id: CertificateId, *, sent_at: int, message_id: str, now: int, expires_at: int
    ) -> Claim:
        """Claim a certificate for the event sent at `sent_at`, until `expires_at`.

        `expires_at` must be later than the moment at which the caller is stopped at the latest, so that no
        worker acts under an expired claim.

        Raises:
            DeferredError: `CLAIMED_ELSEWHERE`.
            StaleError: `ALREADY_DECIDED`: another worker was faster.
        """
        try:
            lease = Lease.acquire(
                self.items,
                certificate_id,
                now=now,
                expires_at=expires_at,
                only_if=not_stale(sent_at, message_id),
                defaults={"firstSeenAt": min(sent_at, now)},
                adds={"attempts": 1},
            )
        except ConditionFailedError as error:
            raise why_not(error.found, sent_at, message_id) from error
        return Claim(lease, Row.read(lease.item))

    def record_rate_limited(self, row: Row, *, slot: int, sent_at: int, message_id: str, now: int) -> None:
        """Write that a certificate waits for its slot of the rate limiter, and which message retries it.

        Args:
            row: The row of the certificate as it was read.
            slot: Its slot, in milliseconds since the epoch. Its events sent before are stale from now on.
            sent_at: The time at which the waiting event was sent.
            message_id: The message of that event.
            now: This moment.

        Raises:
            StaleError: `ALREADY_DECIDED`: decided, or waiting, meanwhile.
            DeferredError: `CLAIMED_ELSEWHERE`.
        """
        as_read = still("state", row.state)
        # True if botocore repeats a call whose response was lost.
        written = Attr("waitingMessageId").eq(message_id) & Attr(VALID_UNTIL).eq(slot)
        update = Update(
            row.certificate_id,
            {
                "state": _deferred_state(row),
                "reason": Reason.RATE_LIMITED,
                "detail": None,
                "decidedAt": now,
                VALID_UNTIL: slot,
                "waitingMessageId": message_id,
                TTL_ATTRIBUTE: None,
            },
            {"firstSeenAt": sent_at},
            condition=written | (as_read & is_free(now) & not_stale(sent_at, message_id)),
        )
        try:
            self.items.update(update)
        except ConditionFailedError as error:
            raise why_not(error.found, sent_at, message_id) from error

    def record_activating(self, claim: Claim, identity: Identity, index_version: str | None) -> Claim:
        """Record that the certificate is about to change, and keep the claim.

        After this write, the certificate can be found by its serial number.

        Returns:
            The claim with the new row, which shows that the change may have happened.
        """
        cleared = ("reason", "detail", "decidedAt", VALID_UNTIL, "waitingMessageId", "refusalStatus")
        values = {
            "state": State.ACTIVATING,
            "indexVersion": index_version,
            **identity.attributes(),
            **dict.fromkeys((*cleared, TTL_ATTRIBUTE)),
        }
        return replace(claim, row=self._write(claim, values, keep_claim=True))

    def record_activated(
        self, claim: Claim, *, policy_name: str, thing_name: str | None, now: int, valid_until: int
    ) -> None:
        """Record that the certificate is ACTIVE."""
        self._write(
            claim,
            {
                "state": State.ACTIVATED,
                "reason": None,
                "detail": None,
                "policyName": policy_name,
                "thingName": thing_name,
                "decidedAt": now,
                VALID_UNTIL: valid_until,
                "waitingMessageId": None,
            },
            in_fleet=True,
            event=EventType.ACTIVATED,
        )

    def record_refusing(
        self, claim: Claim, verdict: Verdict, identity: Identity | None, *, status: str, now: int
    ) -> None:
        """Record that the certificate is refused and about to get `status`, and keep the claim."""
        values = {**_refusal(verdict, identity, now), "refusalStatus": status}
        self._write(claim, values, keep_claim=True, event=EventType.REFUSED)

    def record_refused(
        self, claim: Claim, verdict: Verdict, identity: Identity | None, *, now: int, valid_until: int
    ) -> None:
        """Record a refusal that holds until `valid_until`."""
        values = {
            **_refusal(verdict, identity, now),
            VALID_UNTIL: valid_until,
            "waitingMessageId": None,
        }
        self._write(claim, values, event=EventType.REFUSED)

    def record_stale(  # noqa: PLR0913  each of them is written
        self,
        claim: Claim,
        identity: Identity | None,
        *,
        active: bool,
        message_id: str,
        now: int,
        valid_until: int,
    ) -> None:
        """Record that there is nothing to decide.

        A certificate that another caller decided about is recorded with its serial number, so that it can be
        revoked. If it is `active`, it counts as a device in service from now on.
        A row of a certificate that does not exist, or is of another deployment, expires after a day.
        """
        values: dict[str, object] = {VALID_UNTIL: valid_until, "waitingMessageId": message_id}
        no_reason = {"reason": None, "detail": None}
        if claim.row.reason is Reason.RATE_LIMITED:
            values |= no_reason
        lasting = claim.row.state in LASTING or claim.row.refusal_status is not None
        in_fleet = None
        if identity is not None and not lasting:
            in_fleet = True if active else None
            values |= {"state": State.KNOWN, "decidedAt": now, **identity.attributes(), **no_reason}
            values[TTL_ATTRIBUTE] = None
        elif claim.row.serial_number is None and not lasting:
            values[TTL_ATTRIBUTE] = now // 1000 + _GARBAGE_SECONDS
        self._write(claim, values, in_fleet=in_fleet)

    def record_deferred(
        self, claim: Claim, verdict: Verdict, *, message_id: str, now: int, valid_until: int
    ) -> None:
        """Record why the certificate could not be decided and which message retries it."""
        self._write(
            claim,
            {
                "state": _deferred_state(claim.row),
                **reasons(verdict),
                "decidedAt": now,
                VALID_UNTIL: valid_until,
                "waitingMessageId": message_id,
                TTL_ATTRIBUTE: None,
            },
        )

    def record_retired(self, certificate_id: CertificateId, *, now: int) -> None:
        """Record that the certificate is INACTIVE because another one has replaced it.

        A certificate that has been revoked meanwhile stays revoked.
        """
        self.fleet.correct(certificate_id, active=False)
        replaced = Attr(SUPERSEDED_BY).exists() & Attr("state").ne(State.REVOKED)
        retired = {"state": State.RETIRED, "decidedAt": now}
        with suppress(ConditionFailedError):
            self.items.update(Update(certificate_id, retired, condition=replaced))

    def _write(
        self,
        claim: Claim,
        values: Mapping[str, object],
        *,
        keep_claim: bool = False,
        in_fleet: bool | None = None,
        event: EventType | None = None,
    ) -> Row:
        """Change a claimed row; return it as written.

        Args:
            claim: The claim.
            values: The new values; None removes the attribute.
            keep_claim: Whether the worker keeps the claim for its next steps.
            in_fleet: Whether it counts as in service from now on; None: unchanged.
            event: The outcome event that is written with it; None: none.
        """
        row = claim.row.changed(values)
        released = {} if keep_claim else RELEASED
        update = Update(claim.certificate_id, {**values, **released}, condition=claim.lease.is_held)
        owed = self.outbox.compose(event, row) if self.outbox and event else None
        if owed is not None:
            update = owed.added_to(update)
        try:
            if in_fleet is None or in_fleet is row.in_fleet or row.ca_certificate_id is None:
                self.items.update(update)
            else:
                self.fleet.write(update, row.ca_certificate_id, joins=in_fleet)
        except ConditionFailedError as error:
            raise LeaseLostError(claim.certificate_id) from error
        if self.outbox and owed is not None:
            self.outbox.recorded(claim.certificate_id, owed)
        return row


def _deferred_state(row: Row) -> State:
    """Return the state of a row while its certificate waits for a retry.

    `ACTIVATING` stays: the retry must find out whether the change has happened. A state of `LASTING` stays,
    because it may still be true.
    """
    return row.state if row.state in {State.ACTIVATING, *LASTING} else State.DEFERRED


def _refusal(verdict: Verdict, identity: Identity | None, now: int) -> dict[str, object]:
    known = identity.attributes() if identity else {}
    return {"state": State.REFUSED, **reasons(verdict), **known, "decidedAt": now, TTL_ATTRIBUTE: None}
