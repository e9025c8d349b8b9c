"""The ledger: one DynamoDB row for each device certificate, saying what was decided about it, when and why.

It does three things. It lets a repeated event stop at one batched read (`Ledger.rows`). It makes two workers
on one certificate impossible (`Ledger.claim`). And it finds a certificate by CA and serial number when that
serial is revoked (index `ca-serial`).

Times are milliseconds since the epoch. The format is a stable interface: attributes are added, never renamed.
"""

from iot_jitr_runtime.ledger.claim import Claim
from iot_jitr_runtime.ledger.lease import LeaseLostError
from iot_jitr_runtime.ledger.rows import (
    CLAIM_MARGIN,
    KEY,
    SERIAL_INDEX,
    SERIAL_INDEX_KEY,
    TTL_ATTRIBUTE,
    Identity,
    Row,
    State,
    ca_serial,
)
from iot_jitr_runtime.ledger.table import Ledger

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
