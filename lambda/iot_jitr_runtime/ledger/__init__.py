"""The ledger: one DynamoDB row for each device certificate, saying what was decided about it, when and why.

It does four things. It lets a repeated event stop at one batched read (`Ledger.rows`). It makes two workers
on one certificate impossible (`Ledger.claim`). It gives certificates turns, so that all workers together keep
to one rate (`Turns`). And it finds a certificate by CA and serial number when that serial is revoked (index
`ca-serial`).

Times are milliseconds since the epoch. The format is a stable interface: attributes are added, never renamed.
"""

from iot_jitr_runtime.ledger.rows import (
    CLAIM_MARGIN,
    KEY,
    SERIAL_INDEX,
    SERIAL_INDEX_KEY,
    TTL_ATTRIBUTE,
    Claim,
    Identity,
    Row,
    State,
    ca_serial,
)
from iot_jitr_runtime.ledger.table import ClaimLostError, Ledger
from iot_jitr_runtime.ledger.turns import LINE_KEY, LineTooLongError, Turns

__all__ = [
    "CLAIM_MARGIN",
    "KEY",
    "LINE_KEY",
    "SERIAL_INDEX",
    "SERIAL_INDEX_KEY",
    "TTL_ATTRIBUTE",
    "Claim",
    "ClaimLostError",
    "Identity",
    "Ledger",
    "LineTooLongError",
    "Row",
    "State",
    "Turns",
    "ca_serial",
]
