"""Rows that the reconciler writes into the ledger."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import KEY, SERIAL_INDEX_KEY, Identity, State, ca_serial
from iot_jitr_runtime.ledger.fleet import IN_FLEET, Fleet, RowConditionError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True)
class LedgerEntries:
    """Enters certificates that the ledger does not know."""

    dynamodb: "DynamoDBClient"
    table: str

    def enter_known(
        self, certificate_id: CertificateId, identity: Identity, *, active: bool, now: int
    ) -> bool:
        """Enter a certificate that somebody else decided about; say whether it was not there yet.

        If it is active, it counts as a device in service from now on. A row whose serial number is known
        already is left as it is. One without, of a refusal before the certificate was read for example, keeps
        its state and learns the serial number.

        Args:
            certificate_id: The certificate.
            identity: What it says of itself.
            active: Whether its status is ACTIVE.
            now: This moment, in milliseconds since the epoch.
        """
        values: dict[str, Any] = {
            ":known": {"S": State.KNOWN},
            ":now": {"N": str(now)},
            ":ca": {"S": identity.ca_certificate_id},
            ":serial": {"S": identity.serial_number},
            ":caSerial": {"S": ca_serial(identity.ca_certificate_id, identity.serial_number)},
        }
        name = ""
        if identity.common_name is not None:
            name = ", commonName = :name"
            values[":name"] = {"S": identity.common_name}
        counted = ""
        if active:
            counted = f", {IN_FLEET} = :counted"
            values[":counted"] = {"BOOL": True}
        update: dict[str, Any] = {
            "TableName": self.table,
            "Key": {KEY: {"S": certificate_id}},
            "UpdateExpression": "SET #state = if_not_exists(#state, :known), "
            "decidedAt = if_not_exists(decidedAt, :now), caCertificateId = :ca, serialNumber = :serial, "
            f"{SERIAL_INDEX_KEY} = :caSerial{name}{counted} REMOVE expiresAt",
            "ConditionExpression": "attribute_not_exists(serialNumber)",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": values,
        }
        try:
            if active:
                fleet = Fleet(self.dynamodb, self.table)
                fleet.write(update, identity.ca_certificate_id, certificate_id, by=1)
            else:
                self.dynamodb.update_item(**update)
        except (self.dynamodb.exceptions.ConditionalCheckFailedException, RowConditionError):
            return False
        return True
