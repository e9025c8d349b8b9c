"""The ledger: one DynamoDB row for each device certificate, with the decision, its time and its reason.

It has three purposes. A repeated event costs only one batched read (`Ledger.rows`). Two workers cannot change
one certificate at the same time (`Ledger.claim`). And a certificate can be found by CA and serial number when
that serial number is revoked (index `ca-serial`).

Times are milliseconds since the epoch. The format is a stable interface: attributes are added, never renamed.
"""

from iot_jitr_runtime.ledger.claim import Claim
from iot_jitr_runtime.ledger.lease import LeaseLostError
from iot_jitr_runtime.ledger.rows import (
    CLAIM_MARGIN,
    Identity,
    Row,
    State,
    ca_serial,
)
from iot_jitr_runtime.ledger.table import Ledger
from iot_jitr_runtime.ledger_table import KEY, SERIAL_INDEX, SERIAL_INDEX_KEY, TTL_ATTRIBUTE

__all__ = [
    "CLAIM_MARGIN",
    "KEY",
    "SERIAL_INDEX",
    "SERIAL_INDEX_KEY",
    "TTL_ATTRIBUTE",
    "Claim",
    "Identity",
    "LeaseLostError",
    "Ledger",
    "Row",
    "State",
    "ca_serial",
]
