"""Checks the file that a device must present, for `jitr chain check` and `jitr doctor`."""

from iot_jitr_cli.chain.check import check_chain
from iot_jitr_cli.chain.findings import ChainFinding, ChainReport, ChainStatus, CheckId
from iot_jitr_cli.chain.parsing import Chain, UnreadableChainError, parse_chain

__all__ = [
    "Chain",
    "ChainFinding",
    "ChainReport",
    "ChainStatus",
    "CheckId",
    "UnreadableChainError",
    "check_chain",
    "parse_chain",
]
