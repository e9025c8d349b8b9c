"""The ledger's operations for the sweep: find by serial number or by scanning, and record what was done."""

from collections.abc import Callable, Iterator

from boto3.dynamodb.conditions import Attr, Key

from iot_jitr_runtime.dynamodb import plain
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId, SerialNumber
from iot_jitr_runtime.ledger.claim import Claim
from iot_jitr_runtime.ledger.rows import VALID_UNTIL, Row, State, ca_serial
from iot_jitr_runtime.ledger.table import Ledger
from iot_jitr_runtime.ledger_table import (
    RELEASE_AT,
    SERIAL_INDEX,
    SERIAL_INDEX_KEY,
    SUSPENDED_INDEX,
    SUSPENDED_UNDER,
)
from iot_jitr_runtime.outcome_events import EventType
from iot_jitr_runtime.outcomes import Reason

_NOT_SUSPENDED = {SUSPENDED_UNDER: None, RELEASE_AT: None}
_ANY_TIME = 10**15
"""Milliseconds, later than any event: decisions about events do not apply to the sweep's claims."""


class RevocationLedger(Ledger):
    """The ledger with the operations to revoke, suspend and release."""

    def row_count(self) -> int:
        """Return how many rows the table has, as DynamoDB counts them about every six hours."""
        described = self.items.client.describe_table(TableName=self.items.name)
        return described["Table"].get("ItemCount", 0)

    def find(self, ca: CaCertificateId, serial: SerialNumber) -> list[CertificateId]:
        """Return the certificates with this serial number; the index lags behind by about a second."""
        pages = self.items.query_keys(SERIAL_INDEX, Key(SERIAL_INDEX_KEY).eq(ca_serial(ca, serial)))
        return [CertificateId(key) for page in pages for key in page]

    def scan(
        self, ca: CaCertificateId, after: str, wanted: Callable[[SerialNumber], bool]
    ) -> tuple[list[Row], str | None]:
        """Read the next rows of the table, 1 MB at most, consistently.

        Args:
            ca: Only its certificates are returned.
            after: The certificate after which to continue, in the table's own order; empty at the start.
            wanted: Whether the row with a serial number is returned.

        Returns:
            The rows, which may be empty, and the key after which to continue; None at the end of the table.
        """
        of_ca = Attr("caCertificateId").eq(ca) & Attr("serialNumber").exists()
        items, last = self.items.scan(of_ca, after=after)
        wanted_items = [item for item in items if wanted(SerialNumber(item["serialNumber"]["S"]))]
        return [Row.read(plain(item)) for item in wanted_items], last

    def suspended(self, ca: CaCertificateId, *, since: int, until: int) -> Iterator[list[CertificateId]]:
        """Return page by page the certificates of a CA that this pipeline has put on hold.

        Args:
            ca: The CA.
            since: Only certificates whose next attempt to release is at this time or later: 0 includes those
                whose release has not failed yet, 1 excludes them.
            until: And not after this time, in milliseconds since the epoch.
        """
        due = Key(SUSPENDED_UNDER).eq(ca) & Key(RELEASE_AT).between(since, until)
        for page in self.items.query_keys(SUSPENDED_INDEX, due):
            yield [CertificateId(key) for key in page]

    def acquire(self, certificate_id: CertificateId, *, now: int, expires_at: int) -> Claim:
        """Claim a certificate, whatever was decided about its events.

        Raises:
            DeferredError: `CLAIMED_ELSEWHERE`.
        """
        return self.claim(
            certificate_id, sent_at=_ANY_TIME, message_id="sweep", now=now, expires_at=expires_at
        )

    def release(self, claim: Claim) -> None:
        """Release the claim and leave the row as it is."""
        self._write(claim, {})

    def record_gone(self, claim: Claim) -> None:
        """Write that AWS IoT has no such certificate any more."""
        self._write(claim, _NOT_SUSPENDED, in_fleet=False)

    def record_revoked(self, claim: Claim, *, detail: str, index_version: str | None, now: int) -> None:
        """Write that the certificate is REVOKED."""
        self._write(
            claim,
            {
                "state": State.REVOKED,
                "reason": Reason.REVOKED,
                "detail": detail,
                "indexVersion": index_version,
                "decidedAt": now,
                "waitingMessageId": None,
                **_NOT_SUSPENDED,
            },
            in_fleet=False,
            event=EventType.REVOKED,
        )

    def record_suspending(
        self, claim: Claim, ca: CaCertificateId, *, detail: str, index_version: str | None
    ) -> None:
        """Write that the certificate is about to be put on hold, and keep the claim."""
        self._write(
            claim,
            {
                "state": State.SUSPENDED,
                "reason": Reason.ON_HOLD,
                "detail": detail,
                "indexVersion": index_version,
                SUSPENDED_UNDER: ca,
                RELEASE_AT: 0,
            },
            keep_claim=True,
        )

    def record_suspended(self, claim: Claim, *, now: int) -> None:
        """Write that the certificate is INACTIVE because of its hold."""
        self._write(
            claim, {"decidedAt": now, "waitingMessageId": None}, in_fleet=False, event=EventType.SUSPENDED
        )

    def record_releasing(self, claim: Claim, *, index_version: str | None) -> None:
        """Write the version of the index that allows the release, before the release, and keep the claim."""
        self._write(claim, {"indexVersion": index_version}, keep_claim=True)

    def record_released(
        self, claim: Claim, *, policy_name: str | None, thing_name: str | None, now: int, valid_until: int
    ) -> None:
        """Write that the certificate is ACTIVE again."""
        self._write(
            claim,
            {
                "state": State.ACTIVATED,
                "reason": None,
                "detail": None,
                "policyName": policy_name or claim.row.policy_name,
                "thingName": thing_name or claim.row.thing_name,
                "decidedAt": now,
                VALID_UNTIL: valid_until,
                "waitingMessageId": None,
                **_NOT_SUSPENDED,
            },
            in_fleet=True,
            event=EventType.RELEASED,
        )

    def record_not_released(self, claim: Claim, *, detail: str, retry_at: int | None) -> None:
        """Write why the certificate stays on hold and when to try again; None: never."""
        self._write(claim, {"detail": detail, RELEASE_AT: retry_at})

    def record_decided_elsewhere(self, claim: Claim, *, state: State | None) -> None:
        """Write that this pipeline does not hold the certificate any more, and that its state is `state`."""
        self._write(claim, {"state": state, **_NOT_SUSPENDED})
