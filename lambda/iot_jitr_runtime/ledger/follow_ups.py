"""What has to be done about a certificate later: the end of a grace period, a policy to delete.

A certificate's row carries at most one such task and the time it is due; the sparse index `follow-up` finds
those that are. Whoever keeps the schedule (the reconciler) does them; each may be done twice.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger.fleet import Fleet
from iot_jitr_runtime.ledger.rows import KEY, SERIAL_INDEX_KEY, Identity, State, ca_serial

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

FOLLOW_UP_INDEX = "follow-up"
"""Global secondary index, keys only, partition key `FOLLOW_UP_KEY`, sort key `FOLLOW_UP_AT`."""
FOLLOW_UP_KEY = "followUp"
FOLLOW_UP_AT = "followUpAt"
"""When it is due, in milliseconds since the epoch."""
_SUPERSEDED_BY = "supersededBy"


class FollowUp(StrEnum):
    """What has to be done."""

    RETIRE = "retire"
    """Detach the certificate from its thing and make it INACTIVE: another took its place."""
    DELETE_POLICY = "delete_policy"
    """Delete the certificate's own policy: it is revoked, but AWS still saw the policy attached."""


@dataclass(frozen=True)
class Due:
    """One task whose time has come."""

    certificate_id: CertificateId
    superseded_by: CertificateId | None
    thing_name: str | None
    policy_name: str | None


@dataclass(frozen=True)
class FollowUps:
    """The tasks in the ledger's table."""

    dynamodb: "DynamoDBClient"
    table: str

    def retire(
        self,
        certificate_id: CertificateId,
        identity: Identity,
        *,
        thing_name: str,
        superseded_by: CertificateId,
        at: int,
    ) -> None:
        """Schedule the retirement of a certificate. A date once set for the same successor stays.

        The row of a certificate that this pipeline has not seen is entered as known, so that it can be
        revoked by serial while the grace period lasts.

        Args:
            certificate_id: The certificate that is being replaced.
            identity: What it says of itself.
            thing_name: The thing it is attached to.
            superseded_by: The certificate that takes its place.
            at: When the grace period ends, in milliseconds since the epoch.
        """
        try:
            self._update(
                certificate_id,
                f"SET {FOLLOW_UP_KEY} = :task, {FOLLOW_UP_AT} = :at, {_SUPERSEDED_BY} = :successor, "
                "thingName = :thing, caCertificateId = :ca, serialNumber = :serial, "
                f"{SERIAL_INDEX_KEY} = :caSerial, #state = if_not_exists(#state, :known) "
                "REMOVE expiresAt",
                f"attribute_not_exists({_SUPERSEDED_BY}) OR {_SUPERSEDED_BY} <> :successor",
                {
                    ":task": {"S": FollowUp.RETIRE},
                    ":at": {"N": str(at)},
                    ":successor": {"S": superseded_by},
                    ":thing": {"S": thing_name},
                    ":ca": {"S": identity.ca_certificate_id},
                    ":serial": {"S": identity.serial_number},
                    ":caSerial": {"S": ca_serial(identity.ca_certificate_id, identity.serial_number)},
                    ":known": {"S": State.KNOWN},
                },
                {"#state": "state"},
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException:
            return

    def delete_policy(self, certificate_id: CertificateId, *, policy_name: str, at: int) -> None:
        """Schedule the deletion of a revoked certificate's own policy."""
        self._update(
            certificate_id,
            f"SET {FOLLOW_UP_KEY} = :task, {FOLLOW_UP_AT} = :at, policyName = :policy",
            None,
            {":task": {"S": FollowUp.DELETE_POLICY}, ":at": {"N": str(at)}, ":policy": {"S": policy_name}},
        )

    def due(self, task: FollowUp, *, now: int, limit: int) -> list[Due]:
        """Return at most `limit` (1 to 100) certificates whose task is due, the longest overdue first."""
        response = self.dynamodb.query(
            TableName=self.table,
            IndexName=FOLLOW_UP_INDEX,
            KeyConditionExpression=f"{FOLLOW_UP_KEY} = :task AND {FOLLOW_UP_AT} <= :now",
            ExpressionAttributeValues={":task": {"S": task}, ":now": {"N": str(now)}},
            Limit=limit,
        )
        keys = [item[KEY]["S"] for item in response["Items"]]
        return [due for key in keys if (due := self._read(key, task))]

    def postpone(self, certificate_id: CertificateId, task: FollowUp, *, at: int) -> None:
        """Do it later."""
        self._settle(certificate_id, task, f"SET {FOLLOW_UP_AT} = :at", {":at": {"N": str(at)}})

    def cancel(self, certificate_id: CertificateId, task: FollowUp) -> None:
        """It is not needed any more."""
        self._settle(certificate_id, task, f"REMOVE {FOLLOW_UP_KEY}, {FOLLOW_UP_AT}, {_SUPERSEDED_BY}", {})

    def retired(self, certificate_id: CertificateId, *, now: int) -> None:
        """Write that the certificate is INACTIVE because `superseded_by` took its place.

        A certificate that has been revoked meanwhile stays revoked.
        """
        Fleet(self.dynamodb, self.table).correct(certificate_id, active=False)
        try:
            self._update(
                certificate_id,
                f"SET #state = :retired, decidedAt = :now REMOVE {FOLLOW_UP_KEY}, {FOLLOW_UP_AT}",
                f"{FOLLOW_UP_KEY} = :task AND #state <> :revoked",
                {
                    ":task": {"S": FollowUp.RETIRE},
                    ":retired": {"S": State.RETIRED},
                    ":revoked": {"S": State.REVOKED},
                    ":now": {"N": str(now)},
                },
                {"#state": "state"},
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException:
            self.cancel(certificate_id, FollowUp.RETIRE)

    def _read(self, key: str, task: FollowUp) -> Due | None:
        # The index lags behind; the row itself says whether there is still something to do.
        item = self.dynamodb.get_item(TableName=self.table, Key={KEY: {"S": key}}, ConsistentRead=True)
        row = item.get("Item", {})
        if row.get(FOLLOW_UP_KEY, {}).get("S") != task:
            return None
        successor = row.get(_SUPERSEDED_BY, {}).get("S")
        return Due(
            CertificateId(key),
            CertificateId(successor) if successor else None,
            row.get("thingName", {}).get("S"),
            row.get("policyName", {}).get("S"),
        )

    def _settle(
        self, certificate_id: CertificateId, task: FollowUp, expression: str, values: dict[str, Any]
    ) -> None:
        """Change the row if it still has this task; if not, somebody else has done it."""
        try:
            self._update(
                certificate_id, expression, f"{FOLLOW_UP_KEY} = :task", {":task": {"S": task}, **values}
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException:
            return

    def _update(
        self,
        certificate_id: CertificateId,
        expression: str,
        condition: str | None,
        values: dict[str, Any],
        names: dict[str, str] | None = None,
    ) -> None:
        optional: dict[str, Any] = {}
        if condition:
            optional["ConditionExpression"] = condition
        if names:
            optional["ExpressionAttributeNames"] = names
        self.dynamodb.update_item(
            TableName=self.table,
            Key={KEY: {"S": certificate_id}},
            UpdateExpression=expression,
            ExpressionAttributeValues=values,
            **optional,
        )
