"""Reads the ledger's row of a certificate that was refused."""

import os
from typing import Any

import boto3

TABLE = boto3.resource("dynamodb").Table(os.environ["LEDGER_TABLE"])


def handle(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return the ledger's row of a certificate; docs/architecture.md lists its attributes.

    Args:
        event: An outcome event; docs/events.md has an example.
        _context: Lambda's.
    """
    found = TABLE.get_item(Key={"certificateId": event["detail"]["certificateId"]}).get("Item", {})
    return {name: str(value) for name, value in found.items()}
