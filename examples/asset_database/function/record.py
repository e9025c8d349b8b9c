"""Keeps the latest outcome of each device. An event that comes twice, or late, changes nothing."""

import os
from typing import Any

import boto3

table: Any = boto3.resource("dynamodb").Table(os.environ["TABLE"])


def handle(event: dict[str, Any], _context: object) -> None:
    """Write one outcome event, unless the table has a later one."""
    detail = event["detail"]
    try:
        table.put_item(
            Item={name: value for name, value in detail.items() if name != "schemaVersion"},
            ConditionExpression="attribute_not_exists(decidedAt) OR decidedAt < :decided",
            ExpressionAttributeValues={":decided": detail["decidedAt"]},
        )
    except table.meta.client.exceptions.ConditionalCheckFailedException:
        return
