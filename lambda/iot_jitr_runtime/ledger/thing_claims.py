"""Claims on things: two certificates that want one thing at the same moment are let in one by one.

Asking who has a thing and attaching to it are two calls; without a claim, both would find it free.
"""

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger.rows import KEY, TTL_ATTRIBUTE
from iot_jitr_runtime.outcomes import DeferredError, Reason

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_KEY_PREFIX = "#thing#"
"""What begins the key of a claim in the ledger's table; no certificate's id begins so."""
_GARBAGE_SECONDS = 86_400


@dataclass(frozen=True)
class ThingClaim:
    """One worker's exclusive hold on one thing, until it expires."""

    thing_name: str
    token: str


@dataclass(frozen=True)
class ThingClaims:
    """The claims in the ledger's table."""

    dynamodb: "DynamoDBClient"
    table: str

    def take(
        self, thing_name: str, certificate_id: CertificateId, *, now: int, expires_at: int
    ) -> ThingClaim:
        """Claim a thing for a certificate whose own claim the caller holds.

        Args:
            thing_name: The thing.
            certificate_id: The certificate. An earlier claim of its own does not stand in its way: nobody
                else can be working for it.
            now: This moment, in milliseconds since the epoch.
            expires_at: After the moment at which the caller is stopped for sure.

        Raises:
            DeferredError: `CLAIMED_ELSEWHERE`.
        """
        token = secrets.token_hex(8)
        try:
            self.dynamodb.update_item(
                TableName=self.table,
                Key=_key(thing_name),
                UpdateExpression="SET claimToken = :token, claimExpiresAt = :expires, holder = :holder, "
                f"{TTL_ATTRIBUTE} = :garbage",
                ConditionExpression="attribute_not_exists(claimToken) OR claimExpiresAt < :now "
                "OR holder = :holder",
                ExpressionAttributeValues={
                    ":token": {"S": token},
                    ":expires": {"N": str(expires_at)},
                    ":holder": {"S": certificate_id},
                    ":garbage": {"N": str(now // 1000 + _GARBAGE_SECONDS)},
                    ":now": {"N": str(now)},
                },
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException as error:
            raise DeferredError(
                Reason.CLAIMED_ELSEWHERE, f"another certificate is being given the thing '{thing_name}'"
            ) from error
        return ThingClaim(thing_name, token)

    def release(self, claim: ThingClaim) -> None:
        """Give a claim back; one that somebody else has taken over meanwhile stays theirs."""
        try:
            self.dynamodb.update_item(
                TableName=self.table,
                Key=_key(claim.thing_name),
                UpdateExpression="REMOVE claimToken, claimExpiresAt",
                ConditionExpression="claimToken = :token",
                ExpressionAttributeValues={":token": {"S": claim.token}},
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException:
            return


def _key(thing_name: str) -> dict[str, dict[str, str]]:
    return {KEY: {"S": f"{_KEY_PREFIX}{thing_name}"}}
