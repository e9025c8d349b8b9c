"""The ledger's operations on its DynamoDB table: every write is conditional and may be repeated."""

import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeSerializer

from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger.batch_get import read_items
from iot_jitr_runtime.ledger.fleet import IN_FLEET, Fleet, RowConditionError
from iot_jitr_runtime.ledger.rows import (
    KEY,
    SERIAL_INDEX_KEY,
    SETTLED,
    TTL_ATTRIBUTE,
    Claim,
    Identity,
    Row,
    State,
    ca_serial,
)
from iot_jitr_runtime.outcomes import DeferredError, Reason, StaleError, Verdict

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_UNCLAIMED = "(attribute_not_exists(claimToken) OR claimExpiresAt < :now)"
_UNANSWERED = "(attribute_not_exists(lookAgainAt) OR lookAgainAt < :sent OR waitingMessageId = :message)"
"""No decision in the row answers the event that was sent at `:sent` in `:message`, see `Row.makes_stale`."""
_GARBAGE_SECONDS = 86_400
_DETAIL_LENGTH = 500
CLAIM = ("claimToken", "claimExpiresAt")
"""Attributes that a claim consists of."""
_SERIALIZER = TypeSerializer()


class ClaimLostError(JitrError):
    """The claim expired and another worker holds it: this worker must stop."""


class Ledger:
    """The ledger's operations. Each write is conditional, so each may be repeated, and made twice at once."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self.fleet = Fleet(dynamodb, table)
        """How many devices are in service."""

    def rows(self, certificate_ids: Iterable[CertificateId]) -> dict[CertificateId, Row]:
        """Read many rows, 100 in each call; unprocessed keys are requested again.

        Raises:
            DeferredError: `THROTTLED`: some keys stayed unprocessed.
        """
        items = read_items(self._dynamodb, self._table, sorted(set(certificate_ids)))
        return {row.certificate_id: row for row in map(Row.read, items)}

    def row(self, certificate_id: CertificateId) -> Row | None:
        """Read one row, consistently."""
        response = self._dynamodb.get_item(
            TableName=self._table, Key={KEY: {"S": certificate_id}}, ConsistentRead=True
        )
        return Row.read(response["Item"]) if "Item" in response else None

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
        token = secrets.token_hex(8)
        try:
            response = self._dynamodb.update_item(
                TableName=self._table,
                Key={KEY: {"S": certificate_id}},
                UpdateExpression="SET claimToken = :token, claimExpiresAt = :expires, "
                "firstSeenAt = if_not_exists(firstSeenAt, :first) ADD attempts :one",
                # The token is in the row already if botocore repeats a call whose answer was lost.
                ConditionExpression=f"({_UNCLAIMED} OR claimToken = :token) AND {_UNANSWERED}",
                ExpressionAttributeValues=_values(
                    {
                        "token": token,
                        "expires": expires_at,
                        "now": now,
                        "one": 1,
                        "sent": sent_at,
                        "first": min(sent_at, now),
                        "message": message_id,
                    }
                ),
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            found: Any = error.response.get("Item")
            raise _answer(found, sent_at, message_id) from error
        return Claim(token, Row.read(response["Attributes"]))

    def record_rate_limited(self, row: Row, *, slot: int, sent_at: int, message_id: str, now: int) -> None:
        """Write that a certificate waits for its slot of the rate limiter, and which message brings it back.

        Args:
            row: What the ledger said of the certificate.
            slot: Its slot, in milliseconds since the epoch. Its events sent before are stale from now on.
            sent_at: When the event was sent that waits.
            message_id: The message of that event.
            now: This moment.

        Raises:
            StaleError: `ALREADY_DECIDED`: decided, or waiting, meanwhile.
            DeferredError: `CLAIMED_ELSEWHERE`.
        """
        kept = row.state in {State.ACTIVATING, *SETTLED}
        values = {
            "state": row.state if kept else State.DEFERRED,
            "reason": Reason.RATE_LIMITED,
            "slot": slot,
            "message": message_id,
            "now": now,
            "sent": sent_at,
        }
        as_read = "attribute_not_exists(#state)"
        if row.state is not None:
            as_read = "#state = :asRead"
            values["asRead"] = row.state
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key={KEY: {"S": row.certificate_id}},
                UpdateExpression="SET #state = :state, reason = :reason, decidedAt = :now, "
                "lookAgainAt = :slot, waitingMessageId = :message, "
                "firstSeenAt = if_not_exists(firstSeenAt, :sent) REMOVE detail",
                # The first part holds where botocore repeats a call whose answer was lost.
                ConditionExpression="(waitingMessageId = :message AND lookAgainAt = :slot) OR "
                f"({as_read} AND {_UNCLAIMED} AND {_UNANSWERED})",
                ExpressionAttributeNames={"#state": "state"},
                ExpressionAttributeValues=_values(values),
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            found: Any = error.response.get("Item")
            raise _answer(found, sent_at, message_id) from error

    def record_activating(self, claim: Claim, identity: Identity, index_version: str | None) -> Claim:
        """Record that the certificate is about to change. From now on it can be found by its serial number.

        Returns:
            The claim, with the row as written: the change may have happened.

        Raises:
            ClaimLostError: Another worker holds the claim.
        """
        self._write(
            claim,
            {"state": State.ACTIVATING, "indexVersion": index_version, **_identity(identity)},
            remove={
                *("reason", "detail", "decidedAt", "lookAgainAt"),
                *("waitingMessageId", "refusalStatus", TTL_ATTRIBUTE),
            },
        )
        row = replace(claim.row, state=State.ACTIVATING, ca_certificate_id=identity.ca_certificate_id)
        return replace(claim, row=row)

    def record_activated(
        self, claim: Claim, *, policy_name: str, thing_name: str | None, now: int, look_again_at: int
    ) -> None:
        """Record that the certificate is ACTIVE, and release the claim.

        Raises:
            ClaimLostError: Another worker holds the claim.
        """
        self._write(
            claim,
            {
                "state": State.ACTIVATED,
                "policyName": policy_name,
                "thingName": thing_name,
                "decidedAt": now,
                "lookAgainAt": look_again_at,
            },
            remove={"reason", "detail", "waitingMessageId", *CLAIM},
            in_fleet=True,
        )

    def record_refusing(
        self, claim: Claim, verdict: Verdict, identity: Identity | None, *, status: str
    ) -> None:
        """Record that the certificate is refused and about to get `status`; keep the claim.

        Raises:
            ClaimLostError: Another worker holds the claim.
        """
        self._write(
            claim,
            {
                "state": State.REFUSED,
                "refusalStatus": status,
                **_why(verdict),
                **(_identity(identity) if identity else {}),
            },
            remove={TTL_ATTRIBUTE},
        )

    def record_refused(
        self, claim: Claim, verdict: Verdict, identity: Identity | None, *, now: int, look_again_at: int
    ) -> None:
        """Record a refusal that holds until `look_again_at`, and release the claim.

        Raises:
            ClaimLostError: Another worker holds the claim.
        """
        self._write(
            claim,
            {
                "state": State.REFUSED,
                **_why(verdict),
                **(_identity(identity) if identity else {}),
                "decidedAt": now,
                "lookAgainAt": look_again_at,
            },
            remove={"waitingMessageId", TTL_ATTRIBUTE, *CLAIM},
        )

    def record_stale(  # noqa: PLR0913  each of them is written
        self,
        claim: Claim,
        identity: Identity | None,
        *,
        active: bool,
        message_id: str,
        now: int,
        look_again_at: int,
    ) -> None:
        """Record that there is nothing to decide, and release the claim.

        A certificate that somebody else decided about is recorded with its serial number, so that it can be
        revoked.
        If it is `active`, it counts as a device in service from now on.
        A row of a certificate that does not exist, or is of another deployment, expires after a day.

        Raises:
            ClaimLostError: Another worker holds the claim.
        """
        values: dict[str, object] = {"lookAgainAt": look_again_at, "waitingMessageId": message_id}
        remove = {*CLAIM}
        if claim.row.reason is Reason.RATE_LIMITED:
            remove |= {"reason", "detail"}
        settled = claim.row.state in SETTLED or claim.row.refusal_status is not None
        in_fleet = None
        if identity is not None and not settled:
            in_fleet = True if active else None
            claim = replace(claim, row=replace(claim.row, ca_certificate_id=identity.ca_certificate_id))
            values |= {"state": State.KNOWN, "decidedAt": now, **_identity(identity)}
            remove |= {"reason", "detail", TTL_ATTRIBUTE}
        elif claim.row.serial_number is None and not settled:
            values[TTL_ATTRIBUTE] = now // 1000 + _GARBAGE_SECONDS
        self._write(claim, values, remove=remove, in_fleet=in_fleet)

    def record_deferred(
        self, claim: Claim, verdict: Verdict, *, message_id: str, now: int, look_again_at: int
    ) -> None:
        """Record why it could not be decided and which message retries, and release the claim.

        `ACTIVATING` stays: the retry must know that the change may have happened. A state of `SETTLED` stays,
        because it may still be true.

        Raises:
            ClaimLostError: Another worker holds the claim.
        """
        kept = claim.row.state in {State.ACTIVATING, *SETTLED}
        self._write(
            claim,
            {
                "state": claim.row.state if kept else State.DEFERRED,
                **_why(verdict),
                "decidedAt": now,
                "lookAgainAt": look_again_at,
                "waitingMessageId": message_id,
            },
            remove={TTL_ATTRIBUTE, *CLAIM},
        )

    def _write(
        self,
        claim: Claim,
        values: Mapping[str, object],
        *,
        remove: Collection[str],
        in_fleet: bool | None = None,
    ) -> None:
        """Change a claimed row. `in_fleet`: whether it counts as in service from now on; None: unchanged."""
        ca = claim.row.ca_certificate_id if in_fleet not in (None, claim.row.in_fleet) else None
        if ca is not None:
            values = {**values, IN_FLEET: in_fleet or None}
        present = {name: value for name, value in values.items() if value is not None}
        gone = sorted({*remove, *(name for name, value in values.items() if value is None)})
        sets = ", ".join(f"#{name} = :{name}" for name in present)
        removes = ", ".join(f"#{name}" for name in gone)
        update: dict[str, Any] = {
            "TableName": self._table,
            "Key": {KEY: {"S": claim.certificate_id}},
            "UpdateExpression": " ".join(
                f"{verb} {names}" for verb, names in (("SET", sets), ("REMOVE", removes)) if names
            ),
            "ConditionExpression": "claimToken = :claimed",
            "ExpressionAttributeNames": {f"#{name}": name for name in (*present, *gone)},
            "ExpressionAttributeValues": _values({"claimed": claim.token, **present}),
        }
        try:
            if ca is None:
                self._dynamodb.update_item(**update)
            else:
                # It joins or leaves only once, even where it was entered since it was claimed.
                counted = "attribute_not_exists" if in_fleet else "attribute_exists"
                update["ConditionExpression"] += f" AND {counted}({IN_FLEET})"
                self.fleet.write(update, ca, claim.certificate_id, by=1 if in_fleet else -1)
        except (self._dynamodb.exceptions.ConditionalCheckFailedException, RowConditionError) as error:
            raise ClaimLostError(f"the claim on certificate {claim.certificate_id} is lost") from error


def _answer(found: Mapping[str, Any] | None, sent_at: int, message_id: str) -> StaleError | DeferredError:
    """Return why the row as it was found lets an event neither claim the certificate nor wait for it."""
    if found is not None and (row := Row.read(found)).makes_stale(sent_at, message_id):
        return StaleError(Reason.ALREADY_DECIDED, f"{row.state} already")
    return DeferredError(Reason.CLAIMED_ELSEWHERE, "another worker has claimed it")


def _identity(identity: Identity) -> dict[str, object]:
    return {
        "caCertificateId": identity.ca_certificate_id,
        "serialNumber": identity.serial_number,
        "commonName": identity.common_name,
        SERIAL_INDEX_KEY: ca_serial(identity.ca_certificate_id, identity.serial_number),
    }


def _why(verdict: Verdict) -> dict[str, object]:
    return {"reason": verdict.reason, "detail": verdict.detail[:_DETAIL_LENGTH] or None}


def _values(values: Mapping[str, object]) -> dict[str, Any]:
    return {f":{name}": _SERIALIZER.serialize(value) for name, value in values.items()}
