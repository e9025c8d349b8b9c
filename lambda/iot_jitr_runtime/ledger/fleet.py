"""The fleet of a CA: the number of its ACTIVE certificates, counted in the transaction that changes a row.

A certificate counts from its activation, or from the moment at which it is added to the ledger as ACTIVE,
until this pipeline revokes, suspends or retires it. Its row has `inFleet` while it counts, so a repeated
write does not count it twice. If another caller deactivates it, or activates it again, the reconciler's next
full pass or the sweep corrects the count; a deleted certificate counts until the sweep reads it. The counter
is spread over several items, because a transaction fails if another one writes the same item at that moment.
"""

import random
import time
from dataclasses import dataclass, replace

from boto3.dynamodb.conditions import Attr, ConditionBase

from iot_jitr_runtime.dynamodb import ConditionFailedError, Table, Update, cancellation_codes
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger.rows import Row

IN_FLEET = "inFleet"
SHARDS = 16
_COUNT = "devices"
_TRIES = 5
_LONGEST_PAUSE_SECONDS = 0.2


@dataclass(frozen=True)
class Fleet:
    """The counters in the ledger's table."""

    items: Table

    def size(self, ca: CaCertificateId) -> int:
        """Return how many devices of a CA are in service.

        Raises:
            DeferredError: `THROTTLED`: some of the counters could not be read.
        """
        keys = [_counter(ca, shard) for shard in range(SHARDS)]
        return sum(item[_COUNT] for item in self.items.get_many(keys))

    def write(self, update: Update, ca: CaCertificateId, *, joins: bool) -> None:
        """Update the row of a certificate that joins or leaves the fleet, and its count, in one transaction.

        Raises:
            ConditionFailedError: The row does not meet the update's condition, or it has joined or left
                already.
            ClientError: DynamoDB refused, or too many other writes changed the same items.
        """
        counted = Attr(IN_FLEET)
        condition: ConditionBase = counted.not_exists() if joins else counted.exists()
        if update.condition is not None:
            condition = update.condition & condition
        row = replace(update, sets={**update.sets, IN_FLEET: joins or None}, condition=condition)
        shard = int(update.key[:8], 16) % SHARDS
        count = Update(_counter(ca, shard), adds={_COUNT: 1 if joins else -1})
        left = _TRIES
        while True:
            left -= 1
            try:
                return self.items.update_together(row, count)
            except self.items.client.exceptions.TransactionCanceledException as error:
                if "TransactionConflict" not in cancellation_codes(error) or not left:
                    raise
            time.sleep(random.uniform(0, _LONGEST_PAUSE_SECONDS))  # noqa: S311 - jitter, not a secret

    def correct(self, certificate_id: CertificateId, *, active: bool) -> None:
        """Count a certificate of the ledger if it is ACTIVE, and do not count it if it is not.

        Args:
            certificate_id: The certificate.
            active: Whether its status in AWS IoT is ACTIVE.
        """
        item = self.items.get(certificate_id)
        row = Row.read(item) if item else None
        if row is None or row.in_fleet is active or row.ca_certificate_id is None:
            return
        try:
            self.write(Update(certificate_id), row.ca_certificate_id, joins=active)
        except ConditionFailedError:
            # Another worker has corrected the count already.
            return


def _counter(ca: CaCertificateId, shard: int) -> str:
    # No certificate id has this prefix.
    return f"#fleet#{ca}#{shard}"
