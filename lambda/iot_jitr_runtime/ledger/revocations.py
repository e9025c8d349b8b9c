"""What the sweep asks of the ledger: whose serial is this, what is on hold, and what became of it."""

from collections.abc import Iterator
from typing import Any

from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId, SerialNumber
from iot_jitr_runtime.ledger.fleet import Fleet
from iot_jitr_runtime.ledger.rows import KEY, SERIAL_INDEX, SERIAL_INDEX_KEY, Claim, Row, State, ca_serial
from iot_jitr_runtime.ledger.table import CLAIM, Ledger
from iot_jitr_runtime.outcomes import Reason

SUSPENDED_INDEX = "suspended"
"""Global secondary index, keys only, of what this pipeline has put on hold: partition key `SUSPENDED_UNDER`,
sort key `RELEASE_AT`."""
SUSPENDED_UNDER = "suspendedUnder"
"""Id of the CA."""
RELEASE_AT = "releaseAt"
"""When to try the release again, in milliseconds since the epoch; 0 where it has not failed yet."""

_SUSPENSION = (SUSPENDED_UNDER, RELEASE_AT)
_ANY_TIME = 10**15
"""Milliseconds: later than any event, for what the ledger remembers of events does not bind the sweep."""


class RevocationLedger(Ledger):
    """The ledger, for those who revoke, suspend and release."""

    @property
    def fleet(self) -> Fleet:
        """How many devices are in service."""
        return self._fleet

    def find(self, ca: CaCertificateId, serial: SerialNumber) -> list[CertificateId]:
        """Return the certificates with this serial number; the index lags behind by about a second."""
        return self._query(
            IndexName=SERIAL_INDEX,
            KeyConditionExpression=f"{SERIAL_INDEX_KEY} = :key",
            ExpressionAttributeValues={":key": {"S": ca_serial(ca, serial)}},
        )

    def all_of(self, ca: CaCertificateId) -> Iterator[Row]:
        """Read all rows of a CA, consistently: for where there are more serial numbers than rows."""
        pages = self._dynamodb.get_paginator("scan").paginate(
            TableName=self._table,
            ConsistentRead=True,
            FilterExpression="caCertificateId = :ca AND attribute_exists(serialNumber)",
            ExpressionAttributeValues={":ca": {"S": ca}},
        )
        for page in pages:
            yield from map(Row.read, page["Items"])

    def suspended(self, ca: CaCertificateId, *, retry_at: int | None = None) -> list[CertificateId]:
        """Return the certificates of a CA that are on hold by us.

        Args:
            ca: The CA.
            retry_at: Only those whose release has failed and is to be tried again by then.
        """
        condition = f"{SUSPENDED_UNDER} = :ca"
        values: dict[str, Any] = {":ca": {"S": ca}}
        if retry_at is not None:
            condition += f" AND {RELEASE_AT} BETWEEN :one AND :now"
            values |= {":one": {"N": "1"}, ":now": {"N": str(retry_at)}}
        return self._query(
            IndexName=SUSPENDED_INDEX, KeyConditionExpression=condition, ExpressionAttributeValues=values
        )

    def seize(self, certificate_id: CertificateId, *, now: int, expires_at: int) -> Claim:
        """Claim a certificate, whatever its events say.

        Raises:
            DeferredError: `CLAIMED_ELSEWHERE`.
        """
        return self.claim(
            certificate_id, sent_at=_ANY_TIME, message_id="sweep", now=now, expires_at=expires_at
        )

    def give_back(self, claim: Claim) -> None:
        """Leave the row as it is.

        Raises:
            ClaimLostError: The claim is somebody else's now.
        """
        self._write(claim, {}, remove=CLAIM)

    def record_gone(self, claim: Claim) -> None:
        """Write that AWS IoT knows no such certificate any more, and give the claim back.

        Raises:
            ClaimLostError: The claim is somebody else's now.
        """
        self._write(claim, {}, remove={*_SUSPENSION, *CLAIM}, in_fleet=False)

    def record_revoked(self, claim: Claim, *, detail: str, index_version: str | None, now: int) -> None:
        """Write that the certificate is REVOKED and give the claim back.

        Raises:
            ClaimLostError: The claim is somebody else's now.
        """
        self._write(
            claim,
            {
                "state": State.REVOKED,
                "reason": Reason.REVOKED,
                "detail": detail,
                "indexVersion": index_version,
                "decidedAt": now,
            },
            remove={"waitingMessageId", *_SUSPENSION, *CLAIM},
            in_fleet=False,
        )

    def record_suspending(
        self, claim: Claim, ca: CaCertificateId, *, detail: str, index_version: str | None
    ) -> None:
        """Write that the certificate is about to be put on hold; the claim is kept.

        Raises:
            ClaimLostError: The claim is somebody else's now.
        """
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
            remove=(),
        )

    def record_suspended(self, claim: Claim, *, now: int) -> None:
        """Write that the certificate is INACTIVE because of its hold, and give the claim back.

        Raises:
            ClaimLostError: The claim is somebody else's now.
        """
        self._write(claim, {"decidedAt": now}, remove={"waitingMessageId", *CLAIM}, in_fleet=False)

    def record_releasing(self, claim: Claim, *, index_version: str | None) -> None:
        """Write on which index the release of a hold rests, before it happens; the claim is kept.

        Raises:
            ClaimLostError: The claim is somebody else's now.
        """
        self._write(claim, {"indexVersion": index_version}, remove=())

    def record_released(
        self, claim: Claim, *, policy_name: str | None, thing_name: str | None, now: int, look_again_at: int
    ) -> None:
        """Write that the certificate is ACTIVE again and give the claim back.

        Raises:
            ClaimLostError: The claim is somebody else's now.
        """
        self._write(
            claim,
            {
                "state": State.ACTIVATED,
                "policyName": policy_name or claim.row.policy_name,
                "thingName": thing_name or claim.row.thing_name,
                "decidedAt": now,
                "lookAgainAt": look_again_at,
            },
            remove={"reason", "detail", "waitingMessageId", *_SUSPENSION, *CLAIM},
            in_fleet=True,
        )

    def record_not_released(self, claim: Claim, *, detail: str, retry_at: int | None) -> None:
        """Write why the certificate stays on hold and when to try again, None for never; give the claim back.

        Raises:
            ClaimLostError: The claim is somebody else's now.
        """
        self._write(claim, {"detail": detail, RELEASE_AT: retry_at}, remove=CLAIM)

    def record_decided_elsewhere(self, claim: Claim, *, state: State | None) -> None:
        """Write that a certificate is not on hold by us any more but in `state`; give the claim back.

        Raises:
            ClaimLostError: The claim is somebody else's now.
        """
        self._write(
            claim,
            {"state": state},
            remove={*_SUSPENSION, *CLAIM},
        )

    def _query(self, **query: Any) -> list[CertificateId]:
        pages = self._dynamodb.get_paginator("query").paginate(TableName=self._table, **query)
        return [CertificateId(item[KEY]["S"]) for page in pages for item in page["Items"]]
