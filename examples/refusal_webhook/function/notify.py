"""Posts one line about a refused device to an incoming webhook."""

import json
import os
import urllib.request
from functools import cache
from typing import Any

import boto3


@cache
def address() -> str:
    """Read the webhook's address, once for each execution environment."""
    secrets: Any = boto3.client("secretsmanager")
    return str(secrets.get_secret_value(SecretId=os.environ["WEBHOOK_SECRET"])["SecretString"])


def line(detail: dict[str, Any]) -> str:
    """Say in one line what has happened."""
    name = detail.get("commonName", "a device without a common name")
    return f"{name} was refused: {detail['reason']} (certificate {detail['certificateId'][:12]})"


def handle(event: dict[str, Any], _context: object) -> None:
    """Post one event. An error is retried by EventBridge, which may post it twice."""
    body = json.dumps({"text": line(event["detail"])}).encode()
    request = urllib.request.Request(  # noqa: S310  the address is ours
        address(), body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=5):  # noqa: S310  the same
        return
